"""A scenario as a table of what it asks for."""

from __future__ import annotations

from itertools import islice
from operator import attrgetter, itemgetter

from archsim.tables import figures
from archsim.tables.table import Column, Table
from archsim.trace.scenario import Scenario


def scenario_table(scenario: Scenario) -> Table:
    """The trace, the tasks and the counts of a scenario."""
    tasks = scenario.tasks()
    shown = ", ".join(tasks[:8]) + (", ..." if len(tasks) > 8 else "")
    records = [
        ("trace", f"{scenario.trace.name} ({scenario.trace_path})"),
        ("tasks", f"{figures.count(len(tasks))}: {shown}"),
        ("requests", figures.count(scenario.count())),
        ("inferences", figures.count(scenario.inferences())),
        ("task changes", figures.count(scenario.switches())),
    ]
    columns = (
        Column("figure", "figure", itemgetter(0)),
        Column("value", "value", itemgetter(1), fold=20),
    )
    return Table(scenario.name, columns, records)


def request_table(scenario: Scenario, most: int) -> Table:
    """The first `most` requests."""
    requests = list(islice(scenario.requests(), most))
    columns = (
        Column("arrival_s", "arrival", attrgetter("arrival"), figures.seconds, right=True),
        Column("task", "task", attrgetter("task"), fold=14),
        Column("inferences", "inferences", attrgetter("inferences"), figures.count, right=True),
    )
    left = scenario.count() - len(requests)
    return Table(
        "Requests", columns, requests, f"{figures.count(left)} more follow." if left else ""
    )
