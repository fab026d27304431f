"""A mapping as a table: where each operation stands, how often, and why."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from archsim.arch.model import Architecture
from archsim.mapping.columns import lane_counts
from archsim.mapping.cost import Costs
from archsim.mapping.graph import operations
from archsim.mapping.options import MapOptions
from archsim.mapping.plan import Plan, plan
from archsim.schema.units import format_quantity
from archsim.tables import figures
from archsim.tables.table import Column, Table
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Row:
    """An operation; seconds: per inference, of its slowest step; tiles: first and last."""

    name: str
    stands_in: str
    copies: int
    shards: int
    pes: int
    tiles: str
    step: str
    seconds: float
    why: str


def mapping_rows(arch: Architecture, trace: Trace, options: MapOptions) -> tuple[list[Row], Plan]:
    """What the plan chose, and for each operation the reason; InputError if it does not fit."""
    placed = plan(arch, trace, operations(trace), options)
    costs = Costs(arch, placed.operations, placed.needs)
    present = placed.chips * arch.chip.tile.count * arch.chip.tile.pe.count
    taken = sum(n.lanes * len(n.pes) for n in placed.needs if n.weights is not None)
    rows = []
    for operation, need in zip(placed.operations, placed.needs, strict=True):
        index = operation.index
        lanes = placed.lanes.get(index, [])
        tiles = sorted({part.tile for lane in lanes for part in lane.parts})
        step, seconds = costs.reason(index, need.lanes, need.shards)
        if operation.off_chip:
            where, why = "outside the chip", "-"
        elif need.weights is not None:
            where = "arrays"
            why = _why(costs, placed, index, present - taken)
        else:
            where = need.unit[0] if need.unit else "buffer"
            leader = placed.needs[need.leader].operation.name if need.leader >= 0 else ""
            why = f"on the tiles of {leader}" if leader not in ("", operation.name) else ""
            why = why or f"shares that keep the pace; {where} is the fastest unit with time"
        rows.append(
            Row(
                name=operation.name,
                stands_in=where,
                copies=need.lanes,
                shards=need.shards,
                pes=need.lanes * len(need.pes),
                tiles=f"{tiles[0]}-{tiles[-1]}" if tiles else "-",
                step=step,
                seconds=seconds,
                why=why,
            )
        )
    return rows, placed


def _why(costs: Costs, placed: Plan, index: int, left: int) -> str:
    """Why a layer in arrays has no more copies than it has."""
    need = placed.needs[index]
    counts = lane_counts(need.operation)
    more = next((n for n in counts if n > need.lanes), None)
    if more is None:
        return "one copy per position" if need.lanes > 1 else "one copy is all that can work"
    now, then = costs.slowest(index, need.lanes), costs.slowest(index, more)
    if now <= placed.interval * (1 + 1e-9):
        return f"fewest copies that keep the pace of {format_quantity(placed.interval, 's')}"
    if then >= 0.995 * now:
        step, _ = costs.reason(index, more)
        return f"{more} copies would not be faster: {step}"
    if (more - need.lanes) * len(need.pes) > left:
        return f"{more} copies need {(more - need.lanes) * len(need.pes)} PEs, {left} are left"
    return f"{more} copies were not asked for"


def mapping_table(arch: Architecture, trace: Trace, options: MapOptions) -> Table:
    """The rows as a table."""
    rows, placed = mapping_rows(arch, trace, options)
    pace = format_quantity(placed.interval, "s")
    return Table(
        f"{trace.name} on {arch.name}, {placed.chips} chip{'s' if placed.chips > 1 else ''}",
        (
            Column("layer", "layer", attrgetter("name")),
            Column("stands_in", "stands in", attrgetter("stands_in")),
            Column("copies", "copies", attrgetter("copies"), right=True),
            Column("shards", "shards", attrgetter("shards"), right=True, rank=3),
            Column("pes", "PEs", attrgetter("pes"), right=True, rank=2),
            Column("tiles", "tiles", attrgetter("tiles"), right=True, rank=1),
            Column("slowest_step", "slowest step", attrgetter("step")),
            Column("seconds", "takes", attrgetter("seconds"), figures.seconds, right=True),
            Column("why", "why so often", attrgetter("why"), fold=24),
        ),
        rows,
        note=f"The mapping aims at {pace} per inference; times are per inference.",
    )
