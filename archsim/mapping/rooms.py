"""Room in the tiles' buffers for the inputs of every operation."""

from __future__ import annotations

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.base import ceil_div
from archsim.mapping.columns import columns_of
from archsim.mapping.floor import Room
from archsim.mapping.graph import Feed, Operation
from archsim.mapping.needs import Need, shard_count
from archsim.mapping.sums import additions
from archsim.mapping.tiling import tile_shards
from archsim.mapping.units import fastest


def buffer_slots(
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


def spread_buffers(
    arch: Architecture,
    needs: list[Need],
    ops: list[Operation],
    slots: dict[tuple[int, int], int],
    bits_per_tile: int,
) -> None:
    """Cut operations into more shards where their inputs would fill more than half a tile."""
    pe, adder = roles(arch.chip.tile.pe), fastest(arch, {"add": 1}) is not None
    wanted: dict[int, int] = {}
    for need in needs:
        if need.operation.off_chip:
            continue
        bits = need.shards * room_of(need, ops, slots).first
        key = need.leader if need.leader >= 0 else need.operation.index
        wanted[key] = wanted.get(key, 0) + bits
    for need in needs:
        key = need.leader if need.leader >= 0 else need.operation.index
        if key not in wanted:
            continue
        least_shards = ceil_div(2 * wanted[key], bits_per_tile)
        shards = shard_count(needs[key].most_shards, max(need.shards, least_shards))
        if need.weights is None:
            need.shards = shards
        else:  # the cut of an attempt before may still be there
            need.shards = len(need.shard_pes)
            if need.shards != shards:
                _cut(need, shards, pe, adder)


def _cut(need: Need, shards: int, pe: Roles, adder: bool) -> None:
    """Cut a layer by its input channels, if somebody adds the sums of its parts."""
    assert need.weights is not None
    parts = tile_shards(need.weights, pe, need.weight_bits, shards)
    if adder or not additions([share.widths for shard in parts for share in shard]):
        need.shard_pes, need.shards = parts, shards


def room_of(need: Need, ops: list[Operation], slots: dict[tuple[int, int], int]) -> Room:
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
