"""Tables of `archsim bench traces`."""

from __future__ import annotations

from operator import attrgetter

from archsim.bench.trace_bench import TraceBench
from archsim.tables.table import Column, Table


def trace_bench_tables(bench: TraceBench) -> list[Table]:
    """What was exported, and what was not here."""
    exports = Table(
        "Exports of traces (whole commands)",
        [
            Column("name", "model", attrgetter("name"), fold=20),
            Column("command", "command", attrgetter("command")),
            Column("wall_s", "wall", attrgetter("wall_s"), "{:.2f} s".format, right=True),
            Column("goal_s", "goal", attrgetter("goal_s"), "< {:g} s".format, right=True),
            Column("peak_mb", "peak memory", attrgetter("peak_mb"), "{:.0f} MB".format, right=True),
            Column("goal_mb", "goal", attrgetter("goal_mb"), "< {:g} MB".format, right=True),
            Column("trace_kb", "file", attrgetter("trace_kb"), "{:.0f} KB".format, right=True),
        ],
        bench.exports,
    )
    skipped = Table(
        "Not measured",
        [
            Column("name", "model", attrgetter("name"), fold=20),
            Column("why", "why", attrgetter("why"), fold=30),
        ],
        bench.skipped,
    )
    return [exports, skipped] if bench.skipped else [exports]
