"""From an ONNX file to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from archsim.trace.layer import LayerBase
from archsim.trace.model import TRACE_VERSION, GraphInput, Precision, Provenance, Trace
from archsim.trace.onnx import (  # noqa: F401  (imported for the rules they register)
    convolution,
    einsum,
    layout,
    movement,
    norms,
    pointwise,
    pooling,
    products,
    quantised,
)
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.convert import convert
from archsim.trace.onnx.expand import with_functions_inlined
from archsim.trace.onnx.graph import Array, Graph, Node
from archsim.trace.onnx.layout import View
from archsim.trace.onnx.measure import with_statistics
from archsim.trace.onnx.patterns import drop_empty, drop_identities, fuse
from archsim.trace.onnx.reading import load_graph
from archsim.trace.onnx.record import Record
from archsim.trace.onnx.recurrent import RECURRENT, drop_initial_states
from archsim.trace.onnx.registry import no_cost, without_rule
from archsim.trace.onnx.shapes import has_open_shapes, prune, require_shapes, resolve
from archsim.trace.quantiser import Quantiser
from archsim.trace.stats import TensorStats

CHANNELS_SECOND = {
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
    "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN", "Resize",
    "Upsample",
}  # fmt: skip
# Operators that say nothing about an input's layout: the one after them does.
SILENT = {
    "Pad", "Add", "Sub", "Mul", "Div", "Relu", "Clip", "QuantizeLinear", "DequantizeLinear",
    "DynamicQuantizeLinear",
}  # fmt: skip


def import_onnx(
    path: str | Path,
    *,
    inputs: Mapping[str, Array] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    name: str | None = None,
    allow_unknown: bool = False,
    quantiser: Quantiser | None = None,
    data: str = "the inputs given to import_onnx",
) -> Trace:
    """Read an ONNX model as a trace.

    inputs: one real sample per graph input, by name, batch of 1 included; with it (and a file that
    holds its weights) every layer gets value statistics, of the codes of `quantiser` (8 bits by
    default) or, where the model is quantised, of its own. shapes: input shapes where they are
    dynamic and there is no sample. name: the trace's name, the file's by default. allow_unknown:
    operators without a rule become `unknown` layers. data: what to say of the inputs in the
    trace's provenance.

    Raises InputError for a file that can't be read, dimensions left open, operators without a
    rule (all of them in one message), and NaN or infinite values.
    """
    quantiser = quantiser or Quantiser()
    graph = _prepared(path, inputs, shapes, allow_unknown)
    builder = Builder(graph)
    for item in graph.inputs:
        view = builder.views[item] = input_view(builder, item)
        builder.sources[item] = Record(item, item, view.axes, view.rank)
    convert(builder, allow_unknown)
    layers: list[LayerBase] = [draft.layer for draft in builder.drafts]
    if not layers:
        raise graph.error("computes nothing: it only renames its inputs.")
    measured: dict[str, TensorStats] = {}
    if inputs is not None:
        if not graph.has_weights:
            missing = ", ".join(f"'{name}'" for name in sorted(graph.absent))
            raise graph.error(
                "has no weights, so it can't be run on inputs"
                + (f": its external data {missing} is not beside it whole." if missing else "."),
                "Pass shapes instead, or a file with its weights.",
            )
        layers, measured = with_statistics(builder, inputs, quantiser)
    return Trace.model_validate(
        {
            "archsim_trace": TRACE_VERSION,
            "name": name or graph.path.stem,
            "provenance": Provenance(
                model=graph.path.name,
                made_by="archsim.trace.onnx.import_onnx",
                data="none" if inputs is None else data,
            ),
            "precision": Precision(weight=quantiser.weight_bits, input=quantiser.input_bits),
            "inputs": [
                GraphInput(
                    name=item,
                    shape=list(builder.views[item].record_shape),
                    stats=measured.get(item),
                )
                for item in graph.inputs
            ],
            "layers": layers,
        }
    )


def _prepared(
    path: str | Path,
    inputs: Mapping[str, Array] | None,
    shapes: Mapping[str, Sequence[int]] | None,
    allow_unknown: bool,
) -> Graph:
    """The graph with constants folded, groups of nodes fused, and nothing that is not needed."""
    graph = load_graph(path, inputs, shapes)
    _simplify(graph)
    inline = {node.op for node in without_rule(graph)}
    model = with_functions_inlined(graph.model, inline)
    if model is not None:
        graph = load_graph(path, inputs, shapes, model)
        _simplify(graph)
    missing = without_rule(graph)
    if missing and not allow_unknown and has_open_shapes(graph):
        raise no_cost(graph, missing, [])
    require_shapes(graph)
    if not graph.nodes:
        raise graph.error("computes nothing: its outputs are constants or inputs.")
    return graph


def _simplify(graph: Graph) -> None:
    resolve(graph)
    drop_identities(graph)
    drop_initial_states(graph)
    drop_empty(graph)
    prune(graph)
    fuse(graph)
    prune(graph)


def input_view(builder: Builder, name: str) -> View:
    """The layout of a graph input, from its rank, type and first reader.

    Integers are token ids (T, 1). Floats: [N, C, H, W] before convolutions, else channels last.
    """
    graph: Graph = builder.graph
    shape = graph.shapes[name]
    rank = len(shape)
    if np.dtype(graph.types.get(name, np.float32)).kind in "iub":
        wide = [i for i in range(rank) if shape[i] > 1]
        axes, grid = layout.fresh(shape, wide, [])
        return View(name, grid, axes, name, sole=True)
    first = _telling_reader(graph, name)
    if rank > 2 and shape[0] != 1 and (first is None or _has_batch(first)):
        raise graph.error(
            f"input '{name}' has a batch of {shape[0]}; a trace describes one inference.",
            "Give a batch of 1, or export the model with a batch of 1.",
        )
    channel = rank - 1
    if first is not None and rank > 2 and first.op in CHANNELS_SECOND:
        channel = 1
    elif first is not None and rank == 4 and first.op == "Transpose":
        channel = int((first.attribute("perm") or [3, 2, 1, 0])[1])
    elif rank == 4:
        channel = 1
    if rank == 4:
        positions = [i for i in (1, 2, 3) if i != channel]
    else:
        positions = [i for i in range(rank) if i != channel and shape[i] > 1]
    axes, grid = layout.fresh(shape, positions, [channel] if rank else [])
    return View(name, grid, axes, name, sole=True)


def _has_batch(reader: Node) -> bool:
    """True where the first axis is a batch: not time or, of a state, layers that are picked."""
    if reader.op in RECURRENT:
        return bool(reader.attribute("layout", 0))
    return reader.op not in ("Gather", "Split") or reader.attribute("axis", 0) != 0


def _telling_reader(graph: Graph, name: str) -> Node | None:
    """The first node behind an input whose operator says which axis holds the channels."""
    users = graph.consumers()
    while name in users:
        first = users[name][0]
        if first.op not in SILENT:
            return first
        name = first.outputs[0]
    return None
