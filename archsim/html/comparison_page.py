"""The page of a comparison of adaptation methods: energy with its share of the task switch."""

from __future__ import annotations

import math
from operator import attrgetter

from archsim.html.page import Section, page
from archsim.html.tables import html_table, plain_table
from archsim.report.views import Comparison, ComparisonRow
from archsim.tables import figures
from archsim.tables.table import Column, Table

MOST_POWER = 7
MOST = 10**MOST_POWER  # inferences per task at the right end of the plot


def cheapest(rows: list[ComparisonRow], most: float = MOST) -> list[tuple[float, ComparisonRow]]:
    """Who needs least energy per inference, and from how many inferences per task on, up to `most`.

    e + s / n of two rows is equal at n = (s1 - s0) / (e0 - e1); from the cheapest at n = 1 on, the
    next one is the row with the smallest such n.
    """
    now = min(rows, key=lambda row: (row.energy_j(1), row.inference_energy_j))
    found = [(1.0, now)]
    while True:
        crossings = [
            (
                (row.switch_energy_j - now.switch_energy_j)
                / (now.inference_energy_j - row.inference_energy_j),
                row,
            )
            for row in rows
            if row.inference_energy_j < now.inference_energy_j
        ]
        if not crossings:
            return found
        inferences, now = min(crossings, key=lambda item: (item[0], item[1].inference_energy_j))
        if inferences > most:
            return found
        found.append((inferences, now))


def comparison_page(comparison: Comparison) -> str:
    """Amortised energy with a slider, who is cheapest when, and all rows."""
    rows = comparison.rows
    return page(
        f"Comparison: {comparison.name}",
        f"{len(rows)} methods and platforms. Energy per inference is that of an inference and its "
        "share of the switch to a new task.",
        [
            Section("energy", "Energy per inference and how long a task lasts", _slider()),
            Section("cheapest", "Who needs least", plain_table(_ranges(cheapest(rows)))),
            Section("rows", "All methods", html_table(_table(rows), "rows-table", tall=True)),
        ],
        cards=[
            ("methods", figures.count(len({row.method for row in rows}))),
            ("platforms", figures.count(len({row.platform for row in rows}))),
            ("least per inference", _least(rows, "inference_energy_j")),
            ("least per switch", _least(rows, "switch_energy_j")),
        ],
        data={"most": MOST, "rows": [{"name": r.name, **r.model_dump()} for r in rows]},
        scripts=["comparison.js"],
        origin=f"{len(rows)} rows of the comparison {comparison.name}.",
    )


def _least(rows: list[ComparisonRow], field: str) -> str:
    row = min(rows, key=attrgetter(field))
    return f"{figures.joules(getattr(row, field))}, {row.name}"


def _slider() -> str:
    heads = ("method", "energy per inference", "times the least", "time per inference")
    cells = "".join(
        f"<th{' class=right' if index else ''}>{text}</th>" for index, text in enumerate(heads)
    )
    return (
        '<div class="tools"><label for="per-task">Inferences per task</label>'
        f'<input type="range" id="per-task" min="0" max="{MOST_POWER}" step="0.01" value="3">'
        '<output id="per-task-shown" for="per-task"></output></div><div id="amortised"></div>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Methods at this number">'
        f'<table id="at-slider"><thead><tr>{cells}</tr></thead><tbody></tbody></table></div>'
    )


def _ranges(found: list[tuple[float, ComparisonRow]]) -> Table:
    columns = (
        Column("from", "from inferences per task", lambda item: item[0], _whole, right=True),
        Column("name", "method", lambda item: item[1].name),
        Column("energy", "inference", lambda item: item[1].inference_energy_j, figures.joules),
        Column("switch", "switch", lambda item: item[1].switch_energy_j, figures.joules),
    )
    return Table("Who needs least", columns, found)


def _whole(value: float) -> str:
    return figures.count(max(math.ceil(value), 1))


def _table(rows: list[ComparisonRow]) -> Table:
    columns = (
        Column("method", "method", attrgetter("method")),
        Column("platform", "platform", attrgetter("platform")),
        *(
            Column(name, title, attrgetter(name), text, right=True)
            for name, title, text in (
                ("inference_energy_j", "inference", figures.joules),
                ("inference_latency_s", "time", figures.seconds),
                ("switch_energy_j", "switch", figures.joules),
                ("switch_latency_s", "switch time", figures.seconds),
            )
        ),
    )
    return Table("All methods", columns, rows)
