"""Tables of `archsim sweep`, `archsim pareto` and `archsim bench sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archsim.schema.units import format_quantity
from archsim.sweep.search import objective_names
from archsim.tables import figures
from archsim.tables.table import Column, Table

if TYPE_CHECKING:
    from archsim.bench.sweep_bench import SweepBench
    from archsim.sweep.estimate import Estimate
    from archsim.sweep.pareto import Row
    from archsim.sweep.run import State

_UNITS = {"_s": "s", "_j": "J", "power_w": "W"}


def pareto_table(
    rows: Sequence[Row], front: Sequence[Row], axes: Sequence[str], objectives: Sequence[str]
) -> Table:
    """The non-dominated points: their number, the axes and the objectives."""
    wanted = [name for name, _ in objective_names(objectives)]
    columns = [Column("index", "point", lambda row: row["index"], right=True)]
    columns += [_column(name, _setting, right=False) for name in axes if name not in wanted]
    columns += [_column(name, _text(name), right=True) for name in wanted]
    done = sum(row["status"] == "ok" for row in rows)
    note = f"{len(front)} of {done} points with a result; {len(rows)} points in all."
    return Table(f"Pareto front: {', '.join(objectives)}", columns, front, note)


def _column(name: str, text: Any, *, right: bool) -> Column:
    return Column(name, name, lambda row: row[name], text, right=right)


def _setting(value: Any) -> str:
    """A setting as text; empty for a parameter of other methods."""
    return "" if value is None else str(value)


def _text(name: str) -> Any:
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
    if unit is None:
        return lambda v: figures.count(v) if isinstance(v, int) else f"{v:.4g}"
    return lambda value: format_quantity(value, unit)


def summary(state: State) -> Table:
    """How a sweep ended: points by status."""
    rows = [(status, number) for status, number in sorted(state.statuses.items())]
    rows += [("open", state.total - state.done)] if not state.complete else []
    columns = [
        Column("status", "points", lambda row: row[0]),
        Column("number", "number", lambda row: row[1], figures.count, right=True),
    ]
    return Table("Sweep", columns, rows)


def estimate_table(found: Estimate) -> Table:
    """What a sweep would take."""
    rows = [
        ("points", figures.count(found.total)),
        ("invalid", figures.count(found.invalid)),
        ("excluded by a constraint on settings", figures.count(found.excluded)),
        ("equal to another point", figures.count(found.equal)),
        ("known from the folder or the cache", figures.count(found.done)),
        ("to simulate", figures.count(found.missing)),
        ("seconds per point", f"{found.point_s:.3g}"),
        (f"time on {found.workers} workers", duration(found.wall_s)),
    ]
    columns = [
        Column("what", "", lambda row: row[0]),
        Column("number", "", lambda row: row[1], right=True),
    ]
    return Table("Dry run: nothing is kept", columns, rows)


def duration(seconds: float) -> str:
    """A time to wait, such as `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def bench_table(bench: SweepBench) -> Table:
    """What `archsim bench sweep` measured."""
    columns = [
        Column("kind", "points differ in", lambda s: s.kind),
        Column("workers", "workers", lambda s: s.workers, right=True),
        Column("points", "points", lambda s: s.points, right=True),
        Column("wall_s", "wall", lambda s: s.wall_s, "{:.1f} s".format, right=True),
        Column("rate", "points/h", lambda s: s.points_per_hour, "{:,.0f}".format, right=True),
        Column("goal", "goal", lambda s: s.workers * bench.goal_points_per_hour, "{:,.0f}".format,
               right=True),
        Column("point_s", "a point in one process", lambda s: s.point_s, figures.seconds,
               right=True),
        Column("overhead", "overhead", lambda s: s.overhead, figures.percent, right=True),
    ]  # fmt: skip
    note = "overhead: what workers took beyond the seconds on points, as a share of those."
    return Table(f"{bench.trace} on variants of {bench.arch}", columns, bench.sweeps, note)
