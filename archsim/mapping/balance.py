"""How many copies each operation gets: ISAAC's replication, and shares of the digital units."""

from __future__ import annotations

import math
from bisect import bisect_left

from archsim.arch.model import Architecture
from archsim.components.base import ceil_div
from archsim.components.buffer import Buffer
from archsim.components.mesh_router import MeshRouter
from archsim.components.offchip_link import OffchipLink
from archsim.mapping.columns import lane_counts
from archsim.mapping.graph import Operation
from archsim.mapping.needs import Need, shard_count, unit_memory

ROUNDING = 1e-9


def best_interval(arch: Architecture, needs: list[Need], ops: list[Operation], chips: int) -> float:
    """The shortest time per inference for which the replicas of all layers have enough PEs.

    No shorter than the network needs to bring one layer's input to a tile: more copies than that
    would wait for their inputs.
    """
    pes = chips * arch.chip.tile.count * arch.chip.tile.pe.count
    loads = [
        (len(n.pes), n.operation.positions * n.seconds, lane_counts(n.operation))
        for n in needs
        if n.pes
    ]
    floor = max((_stream_seconds(arch, need, ops) for need in needs), default=0.0)
    if not loads:
        return max(floor, *(n.operation.positions * n.seconds for n in needs))
    candidates = sorted(
        {work / lanes for _, work, counts in loads for lanes in counts}
        | ({floor} - {0.0})  # no network, no floor
    )

    def fits(interval: float) -> bool:
        return interval >= floor and pes >= sum(
            size * lanes_within(counts, copies(work, interval)) for size, work, counts in loads
        )

    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(candidates[middle]) else (middle + 1, high)
    return candidates[low]


def lanes_within(counts: list[int], wanted: int) -> int:
    """The least of the possible numbers of copies that is enough, or the most there are."""
    return counts[min(bisect_left(counts, wanted), len(counts) - 1)]


def copies(work: float, interval: float) -> int:
    """Copies that get `work` seconds done in every interval."""
    return max(math.ceil(work / interval - ROUNDING), 1)


def _stream_seconds(arch: Architecture, need: Need, ops: list[Operation]) -> float:
    """Seconds per inference to bring a layer's whole input to one tile, where it needs it all."""
    seconds = 0.0
    for feed in need.operation.feeds:
        producer = ops[feed.producer]
        bits = producer.channels * need.input_bits
        router, link = arch.chip.find(MeshRouter), arch.chip.find(OffchipLink)
        if router is not None and need.weights is not None and not feed.one_to_one:
            packets, work = router[1].packets(bits)
            seconds = max(seconds, producer.positions * packets * work.seconds)
        if link is not None and producer.off_chip:
            per_link = link[1].transfer(bits).seconds / link[1].links
            seconds = max(seconds, producer.positions * per_link)
    return seconds


def set_parallelism(
    arch: Architecture,
    needs: list[Need],
    ops: list[Operation],
    least: dict[tuple[int, int], int],
    interval: float,
    tiles: int,
) -> None:
    """Lanes and shards of every operation, for a time per inference of `interval` seconds.

    Array layers get lanes alone. Digital operations share their channels among tiles as far as
    they can be cut, and their positions beyond that; operands that would fill more than half a
    tile's buffer are spread as well. A group that follows one leader is cut alike.
    """
    buffer = arch.chip.tile.find(Buffer)
    assert buffer is not None  # checked when the architecture was loaded
    room = int(buffer[1].capacity) * buffer[1].count
    groups: dict[int, list[Need]] = {}
    for need in needs:
        operation = need.operation
        if need.weights is not None:
            wanted = copies(operation.positions * need.seconds, interval)
            need.lanes = lanes_within(lane_counts(operation), wanted)
            need.shards = 1
        elif not operation.off_chip:
            bits = need.input_bits * sum(
                least[operation.index, f.which] * ops[f.producer].channels for f in operation.feeds
            )
            need.leader = _leader(need, needs, ceil_div(2 * bits, room))
            groups.setdefault(need.leader, []).append(need)
    for leader, members in groups.items():
        most = needs[leader].most_shards
        seconds = sum(n.operation.positions * n.seconds for n in members)
        whole = sum(
            least[n.operation.index, f.which] * ops[f.producer].channels * n.input_bits
            for n in members
            for f in n.operation.feeds
        )
        wanted = copies(seconds, interval)
        held = max((ceil_div(n.memory_bits, unit_memory(n)) for n in members), default=0)
        shards = shard_count(most, max(wanted, ceil_div(2 * whole, room), held))
        lanes = min(ceil_div(wanted, shards), max(tiles // shards, 1))
        for need in members:
            need.shards = shards
            need.lanes = min(lanes, need.operation.positions)


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
