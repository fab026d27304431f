"""Lanes and shards of digital operations: how many tiles share the work of each.

Lanes share the positions, shards the channels of every position. On a map, lanes take columns as
the copies of the convolutions beside them do, so that what they exchange stays near; in a sequence,
where positions may come one by one, shards come first.
"""

from __future__ import annotations

import math

from archsim.arch.model import Architecture
from archsim.components.base import ceil_div
from archsim.components.buffer import Buffer
from archsim.mapping.graph import Operation
from archsim.mapping.needs import Need, shard_count, unit_memory

ROUNDING = 1e-9
Least = dict[tuple[int, int], int]


def copies_for(work: float, pace: float) -> int:
    """Copies that get `work` seconds done in every `pace` seconds."""
    return max(math.ceil(work / pace - ROUNDING), 1) if pace else 1


def set_shares(
    arch: Architecture,
    needs: list[Need],
    ops: list[Operation],
    least: Least,
    pace: float,
    tiles: int,
) -> None:
    """Lanes and shards of every digital operation, for a pace of so many seconds per inference.

    Operands that would fill more than half a tile's buffer are spread as well. A group that
    follows one leader is cut alike.
    """
    buffer = arch.chip.tile.find(Buffer)
    assert buffer is not None  # checked when the architecture was loaded
    room = int(buffer[1].capacity) * buffer[1].count
    groups: dict[int, list[Need]] = {}
    for need in needs:
        if need.weights is None and not need.operation.off_chip:
            bits = _held(need, ops, least)
            need.leader = _leader(need, needs, ceil_div(2 * bits, room))
            groups.setdefault(need.leader, []).append(need)
    for leader, members in groups.items():
        most = needs[leader].most_shards
        seconds = sum(n.operation.positions * n.seconds for n in members)
        wanted = copies_for(seconds, pace)
        spread = ceil_div(2 * sum(_held(n, ops, least) for n in members), room)
        held = max((ceil_div(n.memory_bits, unit_memory(n)) for n in members), default=0)
        columns = _column_lanes(needs[leader].operation, min(wanted, tiles))
        shards = shard_count(most, max(wanted if columns is None else 1, spread, held))
        lanes = min(ceil_div(wanted, shards), max(tiles // shards, 1))
        if columns is not None and shards == 1:
            lanes = columns
        for need in members:
            need.shards = shards
            need.lanes = min(lanes, need.operation.positions)


def _held(need: Need, ops: list[Operation], least: Least) -> int:
    """Bits that the least buffers of an operation take, all tiles together."""
    return need.input_bits * sum(
        least[need.operation.index, f.which] * ops[f.producer].channels
        for f in need.operation.feeds
    )


def _column_lanes(operation: Operation, wanted: int) -> int | None:
    """At least `wanted` lanes that share the columns of a map; None where there is no map.

    The least divisor of the map's width that is enough, or the largest.
    """
    if len(operation.shape) != 3 or operation.shape[1] == 1:
        return None
    width = operation.shape[1]
    return next((n for n in range(1, width + 1) if width % n == 0 and n >= wanted), None)


def _leader(need: Need, needs: list[Need], tiles: int) -> int:
    """The operation whose tiles this digital one shares: its producer's, if the cuts line up.

    tiles: at least so many are needed for its buffers.
    """
    operation = need.operation
    feed = operation.feeds[0]
    producer = needs[feed.producer]
    if need.memory_bits:
        return operation.index
    if producer.leader >= 0 and feed.one_to_one:
        leader = needs[producer.leader]
        same = leader.operation.positions == operation.positions
        same &= tiles <= max(leader.most_shards, 1) or need.most_shards == leader.most_shards
        if same and need.most_shards % leader.most_shards == 0:
            return producer.leader
    return operation.index
