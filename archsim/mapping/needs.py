"""What each operation asks of the chip: arrays or a digital unit, and time per position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.buffer import Buffer
from archsim.components.bus import Bus
from archsim.components.column_mask import ColumnMask
from archsim.components.dram import Dram
from archsim.components.mesh_router import MeshRouter
from archsim.components.roles import WITH_WEIGHTS, DigitalUnit, WeightUnit
from archsim.errors import InputError
from archsim.mapping.graph import Operation
from archsim.mapping.growth import Growth, growths, product_growth
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.mapping.primitives import Primitives, elements_read, primitives
from archsim.mapping.sums import additions
from archsim.mapping.tiling import PEShare, Weights, tile_shards, weights_of
from archsim.mapping.units import fastest
from archsim.trace import operators as op
from archsim.trace.layer import TensorShape, channels
from archsim.trace.model import Trace


@dataclass
class Need:
    """What one operation asks of the chip; lanes and shards are set by the plan.

    lanes: copies that share the positions; shards: tiles of one lane that share the channels;
    leader: the digital operation on whose tiles this one runs (itself, if it has its own);
    growth, read_growth, result_growth: how the work, the reads by input number and the result
    grow along a sequence; memory_bits: weights that the unit itself holds; kept: share of the
    columns that are digitised; mask: the PE's column mask, if the sums go through it.
    """

    operation: Operation
    weight_bits: int
    input_bits: int
    weights: Weights | None = None  # of a layer that stays in arrays
    shard_pes: tuple[tuple[PEShare, ...], ...] = ()  # of one lane, shard by shard
    unit: tuple[str, DigitalUnit] | None = None
    work: Primitives = field(default_factory=dict)
    reads: dict[int, int] = field(default_factory=dict)  # bits per position, by input number
    growth: Growth | None = None
    read_growth: dict[int, Growth] = field(default_factory=dict)
    result_growth: Growth | None = None
    memory_bits: int = 0
    kept: float = 1.0
    mask: tuple[str, ColumnMask] | None = None
    seconds: float = 0.0  # per position (on average), on one lane of one shard
    most_shards: int = 1
    lanes: int = 1
    shards: int = 1
    leader: int = -1

    @property
    def pes(self) -> list[PEShare]:
        """PEs of one lane."""
        return [pe for shard in self.shard_pes for pe in shard]

    @property
    def arrays(self) -> int:
        """Arrays of one lane."""
        return sum(len(pe.arrays) for pe in self.pes)

    @property
    def turns(self) -> int:
        """Readings of the arrays for one vector; more than one if the weights are circulant."""
        return self.pes[0].arrays[0].turns if self.pes else 1

    @property
    def result_bits(self) -> int:
        """Bits of one position of the result."""
        return self.operation.channels * self.input_bits


def needs_of(
    arch: Architecture, trace: Trace, ops: list[Operation], placement: Placement = AS_USUAL
) -> list[Need]:
    """The needs of all operations; InputError that lists every layer without a unit."""
    pe = roles(arch.chip.tile.pe)
    growing = growths(trace)
    needs: list[Need] = []
    missing: list[str] = []
    for operation in ops:
        need = _need(arch, trace, operation, pe, placement)
        _set_growth(need, trace, growing)
        needs.append(need)
        layer = operation.layer
        if isinstance(layer, op.Embedding | op.Stored) and arch.chip.find(Dram) is None:
            missing.append(f"{layer.name} ({layer.op}: a dram in the chip)")
        if need.work and need.unit is None and not operation.recurrent:
            missing.append(f"{operation.name} ({', '.join(need.work)})")
        if operation.recurrent and fastest(arch, need.work) is None:
            missing.append(f"{operation.name} (gates: {', '.join(need.work)})")
        for fused in operation.fused:
            work = primitives(fused, [operation.shape], operation.shape)
            if fastest(arch, work) is None:
                missing.append(f"{fused.name} ({', '.join(work)})")
        meeting = additions([pe.widths for pe in need.pes])  # those of one PE meet in its arrays
        if meeting and fastest(arch, {"add": 1}) is None:
            missing.append(f"{operation.name} (add, to merge partial sums)")
    if missing:
        shown = "; ".join(missing[:6]) + (f"; and {len(missing) - 6} more" if missing[6:] else "")
        raise InputError(
            f"{arch.name} has no unit that runs these layers of '{trace.name}': {shown}.",
            fix="Add a vector_unit to the tile, as arch_configs/isaac_vpu.yaml does.",
        )
    return needs


def _set_growth(need: Need, trace: Trace, growing: Mapping[str, Growth]) -> None:
    """Note what grows along a sequence, and count the time of an average step."""
    layer = need.operation.layer
    if layer is None:
        return
    need.result_growth = growing.get(layer.name)
    product = product_growth(layer, trace.input_shapes(layer))
    need.growth = product or need.result_growth
    for which, name in enumerate(layer.inputs):
        grown = growing.get(name) or (product if which else None)
        if grown is not None:
            need.read_growth[which] = grown
    if need.growth is not None:
        need.seconds *= need.growth.mean


def _need(
    arch: Architecture, trace: Trace, operation: Operation, pe: Roles, placement: Placement
) -> Need:
    layer = operation.layer
    need = Need(
        operation,
        weight_bits=(layer.weight_bits if layer else None) or trace.precision.weight,
        input_bits=(layer.input_bits if layer else None) or trace.precision.input,
    )
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
    if layer is None or operation.off_chip:
        return need
    inputs = trace.input_shapes(layer)
    if operation.name in placement.units:
        return _stored(arch, need, placement)
    if isinstance(layer, op.Conv2d | op.Linear | op.Recurrent):
        need.kept = placement.kept.get(operation.name, 1.0)
        if operation.name in placement.masked:
            need.mask = _mask(arch)
        if operation.recurrent:
            need.work = primitives(layer, inputs, operation.shape)
        if pe.outputs_per_array(need.weight_bits) == 0:
            raise InputError(
                f"layer '{operation.name}': a weight of {need.weight_bits} bits takes "
                f"{pe.array.columns_per_weight(need.weight_bits)} columns, an array of "
                f"{arch.name} has {pe.array.columns}.",
            )
        need.weights = weights_of(layer)
        need.shard_pes = tile_shards(need.weights, pe, need.weight_bits)
        need.most_shards = _input_channels(layer)
        columns = max(pe.converted(a.columns, need.kept) for p in need.pes for a in p.arrays)
        held = max(len(p.arrays) for p in need.pes)
        need.seconds = pe.vector_seconds(columns, need.input_bits, held) * need.turns
        return need
    need.work = primitives(layer, inputs, operation.shape)
    need.unit = fastest(arch, need.work)
    need.reads = {
        feed.which: elements_read(layer, feed.which, inputs, operation.shape) * need.input_bits
        for feed in operation.feeds
    }
    need.most_shards = _most_shards(layer, inputs, operation)
    need.seconds = _digital_seconds(arch, need, sum(_arriving_bits(need, inputs)))
    return need


def _mask(arch: Architecture) -> tuple[str, ColumnMask]:
    found = arch.chip.tile.pe.find(ColumnMask)
    if found is None:
        raise InputError(
            f"{arch.name} has no column mask.",
            fix="Add a component of kind: column_mask to the PE, as arch_configs/"
            "rram_sram_hybrid.yaml does.",
        )
    return found


def _stored(arch: Architecture, need: Need, placement: Placement) -> Need:
    """A layer whose weights a unit of the tile holds: a LoRA branch, a cluster's memory."""
    operation, name = need.operation, placement.units[need.operation.name]
    layer, unit = operation.layer, arch.chip.tile.parts.get(name)
    if (
        not isinstance(layer, op.Linear)
        or not isinstance(unit, WeightUnit)
        or WITH_WEIGHTS not in unit.primitives
    ):
        raise InputError(
            f"'{name}' of the tile cannot hold and compute layer '{operation.name}'.",
            fix="Place linear layers on a unit with weights of its own.",
        )
    group = placement.groups.get(operation.name, 1)
    need.unit = name, unit
    moved = (layer.rows + layer.columns) * group * need.input_bits
    need.work = {WITH_WEIGHTS: layer.rows * layer.columns * group, "moved_bit": moved}
    need.reads = {0: layer.rows * group * need.input_bits}
    need.memory_bits = layer.parameters() * need.weight_bits
    need.most_shards = layer.columns
    need.seconds = _digital_seconds(arch, need, layer.rows * group * need.input_bits)
    return need


def _arriving_bits(need: Need, inputs: list[TensorShape]) -> list[int]:
    """Bits of one position of each input as they arrive."""
    return [channels(inputs[f.which]) * need.input_bits for f in need.operation.feeds]


def _digital_seconds(arch: Architecture, need: Need, arriving: int) -> float:
    """The slowest step of a position on one tile: compute, fetch, arrive or leave."""
    buffer, bus = arch.chip.tile.find(Buffer), arch.chip.tile.find(Bus)
    assert buffer is not None and bus is not None  # checked when the architecture was loaded
    fetched = sum(need.reads.values())
    steps = [
        buffer[1].access(fetched + arriving).seconds,
        bus[1].transfer(fetched + need.result_bits).seconds,
    ]
    if need.unit is not None:
        steps.append(need.unit[1].compute(need.work).seconds)
    router = arch.chip.find(MeshRouter)
    if router is not None:
        for bits in (arriving, need.result_bits):
            packets, work = router[1].packets(bits)
            steps.append(packets * work.seconds)
    return max(steps)


def _input_channels(layer: op.Conv2d | op.Linear | op.Recurrent) -> int:
    """Parts that a layer's input can be cut into: channels, circulant blocks or groups of them."""
    if isinstance(layer, op.Linear):
        return layer.in_features // layer.circulant
    if isinstance(layer, op.Recurrent):
        return 1  # each part would need its share of the layer's own last output
    return layer.groups if layer.groups > 1 else layer.in_channels // layer.circulant


def _most_shards(layer: object, inputs: list[TensorShape], operation: Operation) -> int:
    """Equal parts that a digital operation's channels can be cut into.

    Heads stay whole; a layer norm needs all channels; a move is cut if it leaves channels alone.
    """
    if isinstance(layer, op.MatMul):
        return layer.kv_heads or layer.heads
    if isinstance(layer, op.Softmax):
        return layer.groups
    if isinstance(layer, op.OuterProduct):
        return layer.columns * layer.groups
    if isinstance(layer, op.Unknown):
        return 1
    if isinstance(layer, op.Norm) and layer.function != "batch":
        return 1
    if isinstance(layer, op.Move) and any(channels(i) != operation.channels for i in inputs):
        return 1
    return operation.channels


def unit_memory(need: Need) -> int:
    """Bits of weights that one unit can hold for an operation; at least 1."""
    unit = need.unit[1] if need.unit and need.memory_bits else None
    return max(int(getattr(unit, "capacity", 0)), 1) * getattr(unit, "count", 1)


def shard_count(most: int, wanted: int) -> int:
    """The smallest divisor of `most` that is at least `wanted`, or `most`."""
    return next((d for d in range(max(wanted, 1), most + 1) if most % d == 0), most)
