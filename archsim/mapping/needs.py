"""What each operation asks of the chip: arrays or a digital unit, and time per position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.base import Work
from archsim.components.buffer import Buffer
from archsim.components.bus import Bus
from archsim.components.dram import Dram
from archsim.components.mesh_router import MeshRouter
from archsim.errors import InputError
from archsim.mapping.graph import Operation
from archsim.mapping.primitives import Primitives, elements_read, primitives
from archsim.mapping.tiling import PEShare, Weights, tile_shards, weights_of
from archsim.trace import operators as op
from archsim.trace.layer import TensorShape, channels
from archsim.trace.model import Trace


class DigitalUnit(Protocol):
    """A component that computes primitives (vector unit, activation unit, adder ...)."""

    primitives: frozenset[str]

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Time and actions of that many primitives."""


@dataclass
class Need:
    """What one operation asks of the chip; lanes and shards are set by the balance.

    lanes: copies that share the positions; shards: tiles of one lane that share the channels;
    leader: the digital operation on whose tiles this one runs (itself, if it has its own).
    """

    operation: Operation
    weight_bits: int
    input_bits: int
    weights: Weights | None = None  # of a layer that stays in arrays
    shard_pes: list[list[PEShare]] = field(default_factory=list)  # of one lane, shard by shard
    unit: tuple[str, DigitalUnit] | None = None
    work: Primitives = field(default_factory=dict)
    reads: dict[int, int] = field(default_factory=dict)  # bits per position, by input number
    seconds: float = 0.0  # per position, on one lane of one shard
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
    def result_bits(self) -> int:
        """Bits of one position of the result."""
        return self.operation.channels * self.input_bits


def unit_for(arch: Architecture, work: Primitives) -> tuple[str, DigitalUnit] | None:
    """The first digital unit of the tile that runs all the primitives."""
    if not work:
        return None
    for name, part in arch.chip.tile.parts.items():
        if set(work) <= getattr(part, "primitives", frozenset()):
            return name, part  # type: ignore[return-value]
    return None


def needs_of(arch: Architecture, trace: Trace, ops: list[Operation]) -> list[Need]:
    """The needs of all operations; InputError that lists every layer without a unit."""
    pe = roles(arch.chip.tile.pe)
    needs: list[Need] = []
    missing: list[str] = []
    for operation in ops:
        need = _need(arch, trace, operation, pe)
        needs.append(need)
        layer = operation.layer
        if isinstance(layer, op.Embedding) and arch.chip.find(Dram) is None:
            missing.append(f"{layer.name} (embedding: a dram in the chip)")
        if need.work and need.unit is None:
            missing.append(f"{operation.name} ({', '.join(need.work)})")
        for fused in operation.fused:
            work = primitives(fused, [operation.shape], operation.shape)
            if unit_for(arch, work) is None:
                missing.append(f"{fused.name} ({', '.join(work)})")
        groups = [a.outputs for p in need.pes for a in p.arrays]
        if len(set(groups)) < len(groups) and unit_for(arch, {"add": 1}) is None:
            missing.append(f"{operation.name} (add, to merge partial sums)")
    if missing:
        shown = "; ".join(missing[:6]) + (f"; and {len(missing) - 6} more" if missing[6:] else "")
        raise InputError(
            f"{arch.name} has no unit that runs these layers of '{trace.name}': {shown}.",
            fix="Add a vector_unit to the tile, as arch_configs/isaac_vpu.yaml does.",
        )
    return needs


def _need(arch: Architecture, trace: Trace, operation: Operation, pe: Roles) -> Need:
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
    if layer is None or isinstance(layer, op.Embedding):
        return need
    inputs = trace.input_shapes(layer)  # type: ignore[arg-type]
    if isinstance(layer, op.Conv2d | op.Linear):
        if pe.outputs_per_array(need.weight_bits) == 0:
            raise InputError(
                f"layer '{operation.name}': a weight of {need.weight_bits} bits takes "
                f"{pe.array.columns_per_weight(need.weight_bits)} columns, an array of "
                f"{arch.name} has {pe.array.columns}.",
            )
        need.weights = weights_of(layer)
        need.shard_pes = tile_shards(need.weights, pe, need.weight_bits)
        need.most_shards = _input_channels(layer)
        columns = max(a.columns for p in need.pes for a in p.arrays)
        need.seconds = pe.input_beats(need.input_bits) * pe.beat_seconds(columns)
        return need
    need.work = primitives(layer, inputs, operation.shape)
    need.unit = unit_for(arch, need.work)
    need.reads = {
        feed.which: elements_read(layer, feed.which, inputs, operation.shape) * need.input_bits
        for feed in operation.feeds
    }
    need.most_shards = _most_shards(layer, inputs, operation)
    need.seconds = _digital_seconds(arch, need, sum(_arriving_bits(need, inputs)))
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


def _input_channels(layer: op.Conv2d | op.Linear) -> int:
    """Parts that a layer's input can be cut into: channels, or groups of them."""
    if isinstance(layer, op.Linear):
        return layer.in_features
    return layer.groups if layer.groups > 1 else layer.in_channels


def _most_shards(layer: object, inputs: list[TensorShape], operation: Operation) -> int:
    """Equal parts that a digital operation's channels can be cut into.

    Heads stay whole; a layer norm needs all channels; a move is cut if it leaves channels alone.
    """
    if isinstance(layer, op.MatMul):
        return layer.kv_heads or layer.heads
    if isinstance(layer, op.Softmax):
        return layer.groups
    if isinstance(layer, op.Norm) and layer.function != "batch":
        return 1
    if isinstance(layer, op.Move) and any(channels(i) != operation.channels for i in inputs):
        return 1
    return operation.channels


def shard_count(most: int, wanted: int) -> int:
    """The smallest divisor of `most` that is at least `wanted`, or `most`."""
    return next((d for d in range(max(wanted, 1), most + 1) if most % d == 0), most)
