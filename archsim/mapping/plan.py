"""Place a trace on the chip: how often each operation is there, where, and with what buffers."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.components.base import ceil_div
from archsim.errors import InputError
from archsim.mapping.balance import best_interval, set_parallelism
from archsim.mapping.buffers import least_buffers
from archsim.mapping.columns import columns_of
from archsim.mapping.floor import Floor, Lane, NoRoom, Room, TilePart
from archsim.mapping.graph import Feed, Operation
from archsim.mapping.needs import Need, needs_of, shard_count, unit_for
from archsim.mapping.options import MapOptions
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.mapping.sums import additions
from archsim.mapping.tiling import PEShare, tile_shards
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

    def parts(self, index: int) -> list[list[tuple[TilePart, list[PEShare]]]]:
        """By lane of an operation, its tiles with the PE contents that stand there."""
        found = []
        for lane in self.lanes.get(index, []):
            shares = iter(self.needs[index].pes)
            found.append([(part, [next(shares) for _ in part.pes]) for part in lane.parts])
        return found


def plan(
    arch: Architecture,
    trace: Trace,
    ops: list[Operation],
    options: MapOptions,
    placement: Placement = AS_USUAL,
) -> Plan:
    """Place a trace on the chips that the options allow.

    ISAAC's balance (section IV): a layer with more positions gets more copies, so that all layers
    take about the same time per inference. InputError if the model does not fit.
    """
    chips = options.most_chips
    if chips is not None and not 1 <= chips <= MOST_CHIPS:
        raise InputError(f"{chips} chips were asked for.", fix=f"Ask for 1 to {MOST_CHIPS}.")
    needs = needs_of(arch, trace, ops, placement)
    least = least_buffers(ops)
    wanted = sum(len(n.pes) for n in needs)
    per_chip = arch.chip.tile.count * arch.chip.tile.pe.count
    number = chips or max(ceil_div(wanted, per_chip), 1)
    while True:
        try:
            if wanted > number * per_chip:
                raise NoRoom("")
            return _place(arch, ops, needs, least, number, options, placement)
        except NoRoom as reason:
            if chips is not None or number >= MOST_CHIPS or not reason.chips_help:
                raise _too_large(arch, needs, number, reason) from None
            number += max(number // 8, 1)


def _place(
    arch: Architecture,
    ops: list[Operation],
    needs: list[Need],
    least: dict[tuple[int, int], int],
    chips: int,
    options: MapOptions,
    placement: Placement,
) -> Plan:
    slowest = max(n.operation.positions * n.seconds for n in needs)
    interval = best_interval(arch, needs, ops, chips) if options.replicate else slowest
    reason = NoRoom("")
    while True:
        last = interval >= slowest
        for comfort in (*COMFORT, 0.0) if last else COMFORT[:2]:
            floor = Floor(arch, chips)
            set_parallelism(arch, needs, ops, least, interval, floor.tiles)
            slots = _slots(ops, needs, least, comfort)
            _spread_buffers(arch, needs, ops, slots, floor)
            try:
                lanes = _lanes(ops, needs, slots, floor, interval, placement)
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
    placement: Placement,
) -> dict[int, list[Lane]]:
    lanes: dict[int, list[Lane]] = {}
    named = {operation.name: operation.index for operation in ops}
    for operation, need in zip(ops, needs, strict=True):
        if operation.off_chip:
            continue
        room = _room(need, ops, slots)
        if need.weights is not None:
            sizes = [len(shard) for shard in need.shard_pes]
            placed = floor.place_array_lanes(need.lanes, sizes, room, operation.name)
        else:
            unit = need.unit[0] if need.unit else "buffer"
            share = operation.positions * need.seconds / (need.lanes * need.shards)
            load = share / interval if interval else 0.0
            joined = lanes.get(need.leader) if not need.memory_bits else None
            if joined and floor.join_lanes(joined, room.first, unit, load):
                placed = joined
            else:
                producers = [f.producer for f in operation.feeds if f.producer in lanes]
                base = named.get(placement.beside.get(operation.name, ""))
                if base in lanes:
                    producers = [base]
                near = lanes[producers[0]][0].home if producers else 0
                placed = floor.place_unit_lanes(
                    need.lanes,
                    need.shards,
                    room.first,
                    unit,
                    load,
                    near,
                    operation.name,
                    ceil_div(need.memory_bits, need.shards),
                )
        lanes[operation.index] = placed
    return lanes


def _spread_buffers(
    arch: Architecture,
    needs: list[Need],
    ops: list[Operation],
    slots: dict[tuple[int, int], int],
    floor: Floor,
) -> None:
    """Cut operations into more shards where their inputs would fill more than half a tile."""
    pe = roles(arch.chip.tile.pe)
    wanted: dict[int, int] = {}
    for need in needs:
        if need.operation.off_chip:
            continue
        bits = need.shards * _room(need, ops, slots).first
        key = need.leader if need.leader >= 0 else need.operation.index
        wanted[key] = wanted.get(key, 0) + bits
    for need in needs:
        key = need.leader if need.leader >= 0 else need.operation.index
        if key not in wanted:
            continue
        least_shards = ceil_div(2 * wanted[key], floor.bits_per_tile)
        need.shards = shard_count(needs[key].most_shards, max(need.shards, least_shards))
        if need.weights is not None and len(need.shard_pes) != need.shards:
            need.shard_pes = tile_shards(need.weights, pe, need.weight_bits, need.shards)
            if additions([p.widths for p in need.pes]) and unit_for(arch, {"add": 1}) is None:
                raise NoRoom(
                    f"the inputs of {need.operation.name} fill more than half of a tile's buffer, "
                    "and no unit of the tile adds the sums of its parts on several tiles",
                    chips_help=False,
                )


def _room(need: Need, ops: list[Operation], slots: dict[tuple[int, int], int]) -> Room:
    """Bits that each tile of an operation buffers; a recurrent one also buffers its own results."""
    own = 2 * need.result_bits if need.operation.recurrent else 0
    rooms = (_input_room(need, feed, ops, slots) for feed in need.operation.feeds)
    return sum(rooms, Room(own, 0, own))


def _input_room(
    need: Need, feed: Feed, ops: list[Operation], slots: dict[tuple[int, int], int]
) -> Room:
    """Bits that one input takes: all of it on each tile, or the positions or columns of lanes."""
    producer = ops[feed.producer]
    whole = further = slots[need.operation.index, feed.which]
    first = whole
    columns = columns_of(need.operation, need.lanes, producer.shape)
    if need.lanes > 1 and feed.one_to_one:
        first = further = ceil_div(whole, need.lanes) + 1
    elif columns is not None:
        first = ceil_div(whole * columns.needed, columns.every) + columns.needed
        further = ceil_div(whole * columns.stride, columns.every) + columns.stride
    bits = ceil_div(producer.channels * need.input_bits, need.shards)
    return Room(min(first, whole) * bits, further * bits, whole * bits)


def _too_large(arch: Architecture, needs: list[Need], chips: int, reason: NoRoom) -> InputError:
    if not reason.chips_help:
        return InputError(
            f"{reason}: the model does not fit on {arch.name}.",
            fix="Give the tile's buffer more capacity.",
        )
    if " free in the " in str(reason):
        return InputError(
            f"{reason}: the adapters do not fit on {chips} chip{'s' if chips > 1 else ''} of "
            f"{arch.name}.",
            fix="Use a lower rank, fewer modules, more chips or a unit with more capacity.",
        )
    pe = roles(arch.chip.tile.pe)
    needed = sum(n.arrays for n in needs)
    present = chips * arch.chip.tile.count * arch.chip.tile.pe.count * pe.planes
    pes = sum(len(n.pes) for n in needs)
    detail = f" ({reason})" if str(reason) else ""
    return InputError(
        f"the model does not fit on {chips} chip{'s' if chips > 1 else ''} of {arch.name}: it "
        f"needs {needed} arrays in {pes} PEs, {present} arrays in {present // pe.planes} "
        f"PEs are present{detail}.",
        fix="Use --chips auto to take as many chips as it needs, or a larger architecture.",
    )
