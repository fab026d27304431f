"""What differs between two traces: layers, their work and their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from archsim.trace.load import STATS_FIELDS
from archsim.trace.model import Trace
from archsim.trace.operators import Layer
from archsim.trace.stats import TensorStats


@dataclass(frozen=True)
class FieldDifference:
    """A field of a layer, or of the trace (layer ""), that differs; None where it is missing.

    field "layer" with True and None: the layer is in one of the traces alone.
    """

    layer: str
    field: str
    first: Any
    second: Any


@dataclass(frozen=True)
class ValueDifference:
    """Statistics of one tensor of a layer that differ; None where a trace has none.

    zero_share and one_density (mean over the bit planes): of the first and the second trace.
    distance: total variation distance of the two histograms, 0 (equal) to 1 (disjoint); None
    unless both count codes of one width.
    """

    layer: str
    tensor: str
    zero_share: tuple[float | None, float | None]
    one_density: tuple[float | None, float | None]
    distance: float | None


@dataclass(frozen=True)
class Difference:
    """All that differs between two traces."""

    fields: list[FieldDifference]
    values: list[ValueDifference]

    @property
    def equal(self) -> bool:
        """True if the traces describe the same work on the same values."""
        return not self.fields and not self.values


def compare(first: Trace, second: Trace) -> Difference:
    """The differences of two traces, layer by layer in the order of the first.

    Layers belong together by name; their order, and the traces' names and provenance, are not
    compared.
    """
    one, two = _by_name(first), _by_name(second)
    fields = _fields("", _header(first), _header(second))
    values: list[ValueDifference] = []
    for name in [*one, *(name for name in two if name not in one)]:
        if name in one and name in two:
            fields += _fields(name, _facts(first, one[name]), _facts(second, two[name]))
            values += _values(one[name], two[name])
        else:
            fields.append(FieldDifference(name, "layer", name in one or None, name in two or None))
    for entry in first.inputs:
        other = next((item for item in second.inputs if item.name == entry.name), None)
        if other is not None:
            values += _value(entry.name, "input", entry.stats, other.stats)
    return Difference(fields, values)


def total_variation(first: TensorStats, second: TensorStats) -> float | None:
    """Half the sum of the absolute differences of the two histograms, as shares of their samples.

    None if the codes are of different widths, whose bins do not correspond.
    """
    if first.bits != second.bits:
        return None
    pairs = zip(first.histogram, second.histogram, strict=True)
    return sum(abs(a / first.samples - b / second.samples) for a, b in pairs) / 2


def mean_density(stats: TensorStats) -> float:
    """Share of one-bits over all bit planes."""
    return sum(stats.one_density) / len(stats.one_density)


def _of(stats: TensorStats | None, figure: Callable[[TensorStats], float]) -> float | None:
    return None if stats is None else figure(stats)


def _by_name(trace: Trace) -> dict[str, Layer]:
    return {layer.name: layer for layer in trace.layers}


def _header(trace: Trace) -> dict[str, Any]:
    facts: dict[str, Any] = {
        f"input {entry.name}": [list(entry.shape), entry.bits] for entry in trace.inputs
    }
    facts["generation"] = trace.generation and trace.generation.model_dump()
    return facts


def _facts(trace: Trace, layer: Layer) -> dict[str, Any]:
    """A layer's own fields, with the widths that hold and what follows from the shapes."""
    output = trace.shapes[layer.name]
    facts = layer.model_dump(exclude={"name", "shape", *STATS_FIELDS})
    return facts | {
        "weight_bits": layer.weight_bits or trace.precision.weight,
        "input_bits": layer.input_bits or trace.precision.input,
        "output": list(output),
        "macs": layer.macs(trace.input_shapes(layer), output),
        "parameters": layer.parameters(),
    }


def _fields(layer: str, one: dict[str, Any], two: dict[str, Any]) -> list[FieldDifference]:
    return [
        FieldDifference(layer, key, one.get(key), two.get(key))
        for key in one | two
        if one.get(key) != two.get(key)
    ]


def _values(one: Layer, two: Layer) -> list[ValueDifference]:
    found = []
    for field in STATS_FIELDS:
        tensor = field.removesuffix("_stats")
        found += _value(one.name, tensor, getattr(one, field), getattr(two, field))
    return found


def _value(
    layer: str, tensor: str, one: TensorStats | None, two: TensorStats | None
) -> list[ValueDifference]:
    if one == two:
        return []
    return [
        ValueDifference(
            layer,
            tensor,
            zero_share=(_of(one, attrgetter("zero_share")), _of(two, attrgetter("zero_share"))),
            one_density=(_of(one, mean_density), _of(two, mean_density)),
            distance=total_variation(one, two) if one and two else None,
        )
    ]
