"""Place a trace on the chip: how often each operation is there, where, and with what buffers."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.components.base import ceil_div
from archsim.errors import InputError
from archsim.mapping.balance import best_interval, set_parallelism
from archsim.mapping.floor import Floor, Lane, NoRoom
from archsim.mapping.graph import Operation, least_buffers
from archsim.mapping.needs import Need, needs_of, slot_bits
from archsim.trace.model import Trace

RELAX = 1.15  # each attempt to place replicas that do not fit asks for that much less speed
MOST_CHIPS = 4096
COMFORT = (1.0, 0.5, 0.25)  # shares of the comfortable buffer sizes that are tried


@dataclass
class Plan:
    """Operations with their needs, lanes and buffers, on a number of chips.

    slots: buffer positions by (consumer, input number); interval: seconds per inference that the
    replication aims at.
    """

    operations: list[Operation]
    needs: list[Need]
    lanes: dict[int, list[Lane]]
    slots: dict[tuple[int, int], int]
    chips: int
    interval: float


def plan(
    arch: Architecture,
    trace: Trace,
    ops: list[Operation],
    *,
    chips: int | None = 1,
    replicate: bool = True,
) -> Plan:
    """Place a trace on `chips` chips, or with None on as few as hold it.

    ISAAC's balance (section IV): a layer with more positions gets more copies, so that all layers
    take about the same time per inference. InputError if the model does not fit.
    """
    needs = needs_of(arch, trace, ops)
    least = least_buffers(ops)
    wanted = sum(len(n.pes) for n in needs)
    per_chip = arch.chip.tile.count * arch.chip.tile.pe.count
    number = chips or max(ceil_div(wanted, per_chip), 1)
    while True:
        try:
            if wanted > number * per_chip:
                raise NoRoom("")
            return _place(arch, ops, needs, least, number, replicate)
        except NoRoom as reason:
            if chips is not None or number >= MOST_CHIPS:
                raise _too_large(arch, needs, number, str(reason)) from None
            number += max(number // 8, 1)


def _place(
    arch: Architecture,
    ops: list[Operation],
    needs: list[Need],
    least: dict[tuple[int, int], int],
    chips: int,
    replicate: bool,
) -> Plan:
    slowest = max(n.operation.positions * n.seconds for n in needs)
    interval = best_interval(arch, needs, ops, chips) if replicate else slowest
    reason = NoRoom("")
    while True:
        last = interval >= slowest
        for comfort in (*COMFORT, 0.0) if last else COMFORT[:2]:
            floor = Floor(arch, chips)
            set_parallelism(arch, needs, ops, least, interval, floor.tiles)
            slots = _slots(ops, needs, least, comfort)
            try:
                lanes = _lanes(ops, needs, slots, floor, interval)
                return Plan(ops, needs, lanes, slots, chips, interval)
            except NoRoom as found:
                reason = found
        if last:
            raise reason
        interval = min(interval * RELAX, slowest)


def _slots(
    ops: list[Operation],
    needs: list[Need],
    least: dict[tuple[int, int], int],
    comfort: float,
) -> dict[tuple[int, int], int]:
    """Buffer positions per input: what avoids deadlock, and room to keep all lanes busy.

    The room is for the positions that the consumer's lanes read next and, where paths of different
    length meet, for those in flight on the longer one.
    """
    slots: dict[tuple[int, int], int] = {}
    flight: list[float] = []  # share of an inference that is in flight before an operation
    for operation in ops:
        need = needs[operation.index]
        before = max((flight[f.producer] for f in operation.feeds), default=0.0)
        flight.append(before + 4 * need.lanes / operation.positions)
        for feed in operation.feeds:
            key = operation.index, feed.which
            positions = ops[feed.producer].positions
            ahead = min(2 * need.lanes, operation.positions - 1)
            last = feed.reach.last
            step = int((last[ahead:] - last[: len(last) - ahead]).max())
            extra = step + 4 + round((before - flight[feed.producer]) * positions)
            extra += 4 * needs[feed.producer].lanes
            room = least[key] + round(comfort * extra)
            slots[key] = max(min(room, 2 * positions), least[key])
    return slots


def _lanes(
    ops: list[Operation],
    needs: list[Need],
    slots: dict[tuple[int, int], int],
    floor: Floor,
    interval: float,
) -> dict[int, list[Lane]]:
    lanes: dict[int, list[Lane]] = {}
    for operation, need in zip(ops, needs, strict=True):
        if operation.off_chip:
            continue
        bits = sum(
            slots[operation.index, f.which] * slot_bits(need, f.which, ops[f.producer])
            for f in operation.feeds
        )
        if need.pes:
            placed = floor.place_array_lanes(need.lanes, len(need.pes), bits, operation.name)
        else:
            unit = need.unit[0] if need.unit else "buffer"
            load = operation.positions * need.seconds / (need.lanes * need.shards)
            producers = [f.producer for f in operation.feeds if f.producer in lanes]
            near = lanes[producers[0]][0].home if producers else 0
            placed = floor.place_unit_lanes(
                need.lanes,
                need.shards,
                bits,
                unit,
                load / interval if interval else 0.0,
                near,
                operation.name,
            )
        lanes[operation.index] = placed
    return lanes


def _too_large(arch: Architecture, needs: list[Need], chips: int, reason: str) -> InputError:
    pe = roles(arch.chip.tile.pe)
    needed = sum(n.arrays for n in needs)
    present = chips * arch.chip.tile.count * arch.chip.tile.pe.count * pe.array.count
    pes = sum(len(n.pes) for n in needs)
    detail = f" ({reason})" if reason else ""
    return InputError(
        f"the model does not fit on {chips} chip{'s' if chips > 1 else ''} of {arch.name}: it "
        f"needs {needed} arrays in {pes} PEs, {present} arrays in {present // pe.array.count} "
        f"PEs are present{detail}.",
        fix="Use --chips auto to take as many chips as it needs, or a larger architecture.",
    )
