"""Decide how often each layer is replicated, and where everything goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.base import Component, ceil_div
from archsim.components.dram import Dram
from archsim.errors import InputError
from archsim.mapping.floor import Floor, Lane, NoRoom
from archsim.mapping.graph import HOST, Operation, least_buffers
from archsim.mapping.primitives import Primitives, elements_read, primitives
from archsim.mapping.tiling import PEShare, fill_pes, tile_layer
from archsim.trace import operators as op
from archsim.trace.layer import LayerBase
from archsim.trace.model import Trace

RELAX = 1.15  # each attempt to place replicas that do not fit asks for that much less speed
MOST_CHIPS = 4096


@dataclass
class Need:
    """What one operation asks of the chip, before it is placed."""

    operation: Operation
    weight_bits: int
    input_bits: int
    pes: list[PEShare] = field(default_factory=list)  # of one lane
    unit: tuple[str, Component] | None = None
    work: Primitives = field(default_factory=dict)
    seconds: float = 0.0  # per position, on one lane
    shards: int = 1
    lanes: int = 1

    @property
    def arrays(self) -> int:
        """Arrays of one lane."""
        return sum(len(pe.arrays) for pe in self.pes)


@dataclass
class Plan:
    """Operations with their needs, lanes and buffers, on a number of chips."""

    operations: list[Operation]
    needs: list[Need]
    lanes: dict[int, list[Lane]]
    slots: dict[tuple[int, int], int]  # buffer positions by (consumer, input number)
    chips: int
    interval: float  # seconds per inference that the replication aims at


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
    pe = roles(arch.chip.tile.pe)
    needs = _needs(arch, trace, ops, pe)
    least = least_buffers(ops)
    wanted = sum(len(n.pes) for n in needs)
    per_chip = arch.chip.tile.count * arch.chip.tile.pe.count
    number = chips or max(ceil_div(wanted, per_chip), 1)
    while True:
        if wanted > number * per_chip:
            raise _too_large(arch, needs, number, pe)
        try:
            return _place(arch, ops, needs, least, number, replicate)
        except NoRoom as reason:
            if chips is not None or number >= MOST_CHIPS:
                raise _too_large(arch, needs, number, pe, str(reason)) from None
            number += max(number // 8, 1)


def _needs(arch: Architecture, trace: Trace, ops: list[Operation], pe: Roles) -> list[Need]:
    needs = []
    missing: list[str] = []
    for operation in ops:
        layer = operation.layer
        need = Need(
            operation,
            weight_bits=(layer.weight_bits if layer else None) or trace.precision.weight,
            input_bits=(layer.input_bits if layer else None) or trace.precision.input,
        )
        needs.append(need)
        for word, bits, most in (
            ("weights", need.weight_bits, arch.precision.weight),
            ("inputs", need.input_bits, arch.precision.input),
        ):
            if bits > most:
                raise InputError(
                    f"layer '{operation.name}' has {bits}-bit {word}; {arch.name} runs at most "
                    f"{most} bits.",
                    fix="Quantise the model further or raise the architecture's precision.",
                )
        if isinstance(layer, op.Conv2d | op.Linear):
            arrays = tile_layer(layer, pe, need.weight_bits)
            need.pes = fill_pes(arrays, pe.array.count)
            columns = max(a.columns for a in arrays)
            need.seconds = pe.input_beats(need.input_bits) * pe.beat_seconds(columns)
        elif isinstance(layer, op.Embedding):
            if arch.chip.find(Dram) is None:
                missing.append(f"{layer.name} (embedding: a dram in the chip)")
        elif layer is not None:
            need.work = primitives(layer, trace.input_shapes(layer), operation.shape)
            need.unit = unit_for(arch, need.work)
            if need.work and need.unit is None:
                missing.append(f"{layer.name} ({layer.op}: {', '.join(need.work)})")  # type: ignore[attr-defined]
            need.seconds = _seconds(need)
        for fused in operation.fused:
            work = primitives(fused, [operation.shape], operation.shape)
            if unit_for(arch, work) is None:
                missing.append(f"{fused.name} ({fused.op}: {', '.join(work)})")  # type: ignore[attr-defined]
    if missing:
        shown = "; ".join(missing[:6]) + (f"; and {len(missing) - 6} more" if missing[6:] else "")
        raise InputError(
            f"{arch.name} has no unit that runs these layers of '{trace.name}': {shown}.",
            fix="Add a vector_unit to the tile, as arch_configs/isaac_vpu.yaml does.",
        )
    return needs


def unit_for(arch: Architecture, work: Primitives) -> tuple[str, Component] | None:
    """The first digital unit of the tile that runs all the primitives."""
    if not work:
        return None
    for name, part in arch.chip.tile.parts.items():
        if set(work) <= getattr(part, "primitives", frozenset()):
            return name, part
    return None


def _seconds(need: Need) -> float:
    if need.unit is None:
        return 0.0
    compute: Callable[[Primitives], object] = need.unit[1].compute  # type: ignore[attr-defined]
    return compute({k: v / need.shards for k, v in need.work.items()}).seconds  # type: ignore[attr-defined,no-any-return]


def input_bits(need: Need, which: int, ops: list[Operation]) -> int:
    """Bits of one position of an input, as one shard buffers it."""
    producer = ops[next(f for f in need.operation.feeds if f.which == which).producer]
    return ceil_div(producer.channels * need.input_bits, need.shards)


def bits_read(need: Need, trace: Trace, which: int) -> int:
    """Bits of an input that one position of one shard reads from the buffer."""
    layer = need.operation.layer
    assert isinstance(layer, LayerBase)
    elements = elements_read(layer, which, trace.input_shapes(layer), need.operation.shape)  # type: ignore[arg-type]
    return ceil_div(elements * need.input_bits, need.shards)


def _place(
    arch: Architecture,
    ops: list[Operation],
    needs: list[Need],
    least: dict[tuple[int, int], int],
    chips: int,
    replicate: bool,
) -> Plan:
    slowest = max(n.operation.positions * n.seconds for n in needs)
    interval = _best_interval(arch, needs, chips) if replicate else slowest
    while True:
        floor = Floor(arch, chips)
        _set_lanes(needs, floor, interval, least, ops)
        slots = _slots(ops, needs, least, roomy=True)
        try:
            return Plan(ops, needs, _lanes(ops, needs, slots, floor, interval), slots, chips, interval)
        except NoRoom:
            if interval >= slowest:
                break
            interval = min(interval * RELAX, slowest)
    slots = _slots(ops, needs, least, roomy=False)  # one copy of each and the smallest buffers
    floor = Floor(arch, chips)
    return Plan(ops, needs, _lanes(ops, needs, slots, floor, interval), slots, chips, interval)


def _best_interval(arch: Architecture, needs: list[Need], chips: int) -> float:
    """The shortest interval for which the replicas of all layers have enough PEs."""
    pes = chips * arch.chip.tile.count * arch.chip.tile.pe.count
    loads = [(len(n.pes), n.operation.positions, n.seconds) for n in needs if n.pes]
    if not loads:
        return max(n.operation.positions * n.seconds for n in needs)
    candidates = sorted(
        {count * seconds / k for _, count, seconds in loads for k in range(1, count + 1)}
    )

    def fits(interval: float) -> bool:
        return (
            sum(
                size * min(math.ceil(count * seconds / interval - 1e-9), count)
                for size, count, seconds in loads
            )
            <= pes
        )

    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if fits(candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return candidates[low]


def _set_lanes(
    needs: list[Need],
    floor: Floor,
    interval: float,
    least: dict[tuple[int, int], int],
    ops: list[Operation],
) -> None:
    for need in needs:
        if need.operation.off_chip:
            continue
        need.shards = 1
        if not need.pes:
            whole = sum(
                least[need.operation.index, f.which] * input_bits(need, f.which, ops)
                for f in need.operation.feeds
            )
            # An operand that fills more than half a tile's buffer is spread over several.
            need.shards = max(ceil_div(2 * whole, floor.bits_per_tile), 1)
            need.seconds = _seconds(need)
        copies = math.ceil(need.operation.positions * need.seconds / interval - 1e-9)
        most = need.operation.positions if need.pes else max(floor.tiles // need.shards, 1)
        need.lanes = max(min(copies, most, need.operation.positions), 1)


def _slots(
    ops: list[Operation],
    needs: list[Need],
    least: dict[tuple[int, int], int],
    roomy: bool,
) -> dict[tuple[int, int], int]:
    """Buffer positions per input: what avoids deadlock, and room to keep all lanes busy."""
    slots = {}
    for operation in ops:
        for feed in operation.feeds:
            key = operation.index, feed.which
            extra = 0
            if roomy:  # what the next round of all lanes reads, and what producers have in hand
                ahead = min(2 * needs[operation.index].lanes, operation.positions - 1)
                last = feed.reach.last
                step = int((last[ahead:] - last[: len(last) - ahead]).max())
                extra = step + 4 * needs[feed.producer].lanes + 4
            slots[key] = max(min(least[key] + extra, 2 * ops[feed.producer].positions), least[key])
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
            slots[operation.index, f.which] * input_bits(need, f.which, ops)
            for f in operation.feeds
        )
        if need.pes:
            placed = floor.place_array_lanes(need.lanes, len(need.pes), bits, operation.name)
        else:
            unit = need.unit[0] if need.unit else "buffer"
            load = operation.positions * need.seconds / need.lanes / max(interval, 1e-30)
            producers = [f.producer for f in operation.feeds if f.producer in lanes]
            near = lanes[producers[0]][0].home if producers else 0
            placed = floor.place_unit_lanes(
                need.lanes, need.shards, bits, unit, load, near, operation.name
            )
        lanes[operation.index] = placed
    return lanes


def _too_large(
    arch: Architecture, needs: list[Need], chips: int, pe: Roles, reason: str = ""
) -> InputError:
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


def consumer_tiles(plan_: Plan, operation: Operation) -> frozenset[int]:
    """Tiles that buffer an operation's output; HOST for an output of the model."""
    tiles: set[int] = set()
    for consumer in operation.consumers:
        if consumer == HOST:
            tiles.add(HOST)
        else:
            for lane in plan_.lanes[consumer]:
                tiles.update(part.tile for part in lane.parts)
    return frozenset(tiles)
