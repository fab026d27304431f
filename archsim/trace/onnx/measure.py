"""Counts the values of every layer of a model on real input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from archsim.errors import InputError
from archsim.trace.layer import LayerBase
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Array
from archsim.trace.onnx.record import Record
from archsim.trace.onnx.recorded import recorded_stats
from archsim.trace.onnx.values import fetch, typed_inputs
from archsim.trace.onnx.weights import Weight
from archsim.trace.quantiser import Quantiser
from archsim.trace.stats import TensorStats


def with_statistics(
    builder: Builder, inputs: Mapping[str, Array], quantiser: Quantiser
) -> tuple[list[LayerBase], dict[str, TensorStats]]:
    """The layers with their value statistics, and the statistics of the graph's inputs.

    Tensors that are integer codes in the model keep their codes and scales; other real ones are
    quantised by `quantiser`; token ids and logical values have no statistics. InputError names a
    tensor with NaN or infinite values.
    """
    found = _records(builder, inputs, quantiser)
    return with_found(builder, found, quantiser, partial(_weight, builder, quantiser))


def with_found(
    builder: Builder,
    found: Mapping[str, TensorStats],
    quantiser: Quantiser,
    weigh: Callable[[Weight, str], TensorStats],
) -> tuple[list[LayerBase], dict[str, TensorStats]]:
    """The layers with what was `found` of their tensors, and what was of the graph's inputs.

    weigh: statistics of the weight of a layer, by its name. Bits other than the quantiser's are
    those of the layer.
    """
    layers = []
    for draft in builder.drafts:
        layer = draft.layer
        update: dict[str, object] = {
            "input_stats": found.get(layer.inputs[0]),
            "output_stats": found.get(layer.name),
        }
        if draft.weight is not None:
            update["weight_stats"] = stats = weigh(draft.weight, layer.name)
            if stats.bits != quantiser.weight_bits:
                update["weight_bits"] = stats.bits
        codes = found.get(layer.inputs[0])
        if codes is not None and codes.bits != quantiser.input_bits:
            update["input_bits"] = codes.bits
        layers.append(layer.model_copy(update=update))
    return layers, {name: found[name] for name in builder.graph.inputs if name in found}


def _records(
    builder: Builder, inputs: Mapping[str, Array], quantiser: Quantiser
) -> dict[str, TensorStats]:
    """Statistics by record (layer or graph input) that holds real values."""
    graph = builder.graph
    feeds = typed_inputs(graph, inputs)
    readers: dict[str, list[Record]] = {}
    for record in builder.records():
        readers.setdefault(record.tensor, []).append(record)
    known = {**{n: v for n, v in graph.constants.items() if v is not None}, **feeds}
    side = sorted(
        {
            name
            for grid in graph.grids.values()
            for name in (grid.scale, grid.zero)
            if name is not None and name not in known
        }
    )
    known.update(fetch(graph, feeds, side))
    found: dict[str, TensorStats] = {}

    def count(tensor: str, values: Array) -> None:
        for record in readers[tensor]:
            stats = _activations(builder, record, values, known, quantiser)
            if stats is not None:
                found[record.name] = stats

    for tensor in readers:
        if tensor in feeds:
            count(tensor, feeds[tensor])
    for tensor, values in fetch(graph, feeds, [t for t in readers if t not in feeds]):
        count(tensor, values)
    return found


def _activations(
    builder: Builder,
    record: Record,
    values: Array,
    known: Mapping[str, Array],
    quantiser: Quantiser,
) -> TensorStats | None:
    grid = builder.graph.grids.get(record.tensor)
    if (values.dtype.kind != "f" and grid is None) or not values.size:
        return None
    rows = record.rows(values)
    try:
        if grid is None:
            return quantiser.activations(rows)
        scale = known[grid.scale].reshape(1).astype(float)
        zero = int(known[grid.zero].reshape(())) if grid.zero else 0
        return recorded_stats(rows, scale, zero, 8, values.dtype.kind == "i", quantiser.encoding)
    except ValueError as fault:
        raise _unusable(builder, record.tensor, fault) from fault


def _weight(builder: Builder, quantiser: Quantiser, weight: Weight, name: str) -> TensorStats:
    try:
        if weight.bits is None or (weight.scale.size > 1 and weight.zero.any()):
            return quantiser.weights(weight.real)
        if weight.zero.size > 1 and (weight.zero != weight.zero[0]).any():
            return quantiser.weights(weight.real)
        return recorded_stats(
            weight.values, weight.scale, int(weight.zero[0]), weight.bits, weight.signed,
            quantiser.encoding, columns=True,
        )  # fmt: skip
    except ValueError as fault:
        raise _unusable(builder, f"{name} (weight)", fault) from fault


def _unusable(builder: Builder, tensor: str, fault: ValueError) -> InputError:
    return builder.graph.error(
        f"tensor '{tensor}' {str(fault).removeprefix('the tensor ')}.",
        "Check the input's preprocessing and the model's precision.",
    )
