"""What each operation asks of the chip: arrays or a digital unit, and time per position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.base import Work, ceil_div
from archsim.components.dram import Dram
from archsim.errors import InputError
from archsim.mapping.graph import Operation
from archsim.mapping.primitives import Primitives, elements_read, primitives
from archsim.mapping.tiling import PEShare, fill_pes, tile_layer
from archsim.trace import operators as op
from archsim.trace.model import Trace


class DigitalUnit(Protocol):
    """A component that computes primitives (vector unit, activation unit, adder ...)."""

    primitives: frozenset[str]

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Time and actions of that many primitives."""


@dataclass
class Need:
    """What one operation asks of the chip; lanes and shards are set by the balance.

    lanes: copies that share the positions; shards: tiles of one lane that share the channels.
    """

    operation: Operation
    weight_bits: int
    input_bits: int
    pes: list[PEShare] = field(default_factory=list)  # of one lane
    unit: tuple[str, DigitalUnit] | None = None
    work: Primitives = field(default_factory=dict)
    reads: dict[int, int] = field(default_factory=dict)  # bits per position, by input number
    seconds: float = 0.0  # per position, on one lane of one shard
    most_shards: int = 1
    lanes: int = 1
    shards: int = 1

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
        arrays = tile_layer(layer, pe, need.weight_bits)
        need.pes = fill_pes(arrays, pe.array.count)
        columns = max(a.columns for a in arrays)
        need.seconds = pe.input_beats(need.input_bits) * pe.beat_seconds(columns)
        return need
    need.work = primitives(layer, inputs, operation.shape)
    need.unit = unit_for(arch, need.work)
    need.reads = {
        feed.which: elements_read(layer, feed.which, inputs, operation.shape) * need.input_bits
        for feed in operation.feeds
    }
    need.most_shards = _most_shards(layer, operation)
    if need.unit is not None:
        need.seconds = need.unit[1].compute(need.work).seconds
    return need


def _most_shards(layer: object, operation: Operation) -> int:
    """Equal parts that a digital operation's channels can be cut into.

    Heads stay whole; a layer norm needs all channels; what only moves data is not cut.
    """
    if isinstance(layer, op.MatMul):
        return layer.kv_heads or layer.heads
    if isinstance(layer, op.Softmax):
        return layer.groups
    if isinstance(layer, op.Norm) and layer.function != "batch" or isinstance(layer, op.Move):
        return 1
    return operation.channels


def shard_count(most: int, wanted: int) -> int:
    """The smallest divisor of `most` that is at least `wanted`, or `most`."""
    return next((d for d in range(max(wanted, 1), most + 1) if most % d == 0), most)


def slot_bits(need: Need, which: int, producer: Operation) -> int:
    """Bits of one position of an input, as one shard buffers it."""
    return ceil_div(producer.channels * need.input_bits, need.shards)
