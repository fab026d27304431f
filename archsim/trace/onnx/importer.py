"""From an ONNX file to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from archsim.trace.layer import LayerBase
from archsim.trace.model import TRACE_VERSION, GraphInput, Provenance, Trace
from archsim.trace.onnx import (  # noqa: F401  (imported for the rules they register)
    layout,
    movement,
    pointwise,
    pooling,
    products,
)
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Array, Graph, Node, load_graph
from archsim.trace.onnx.layout import View
from archsim.trace.onnx.patterns import drop_identities, fuse
from archsim.trace.onnx.registry import RULES, check_supported
from archsim.trace.onnx.shapes import prune, require_shapes, resolve
from archsim.trace.onnx.values import with_statistics
from archsim.trace.stats import TensorStats

CHANNELS_SECOND = {
    "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization",
    "Resize", "Upsample",
}  # fmt: skip
# Operators that say nothing about an input's layout: the one after them does.
SILENT = {"Pad", "Add", "Sub", "Mul", "Div", "Relu", "Clip"}


def import_onnx(
    path: str | Path,
    *,
    inputs: Mapping[str, Array] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    name: str | None = None,
) -> Trace:
    """Read an ONNX model as a trace.

    inputs: one real sample per graph input, by name, batch of 1 included; with it (and a file that
    holds its weights) every layer gets 8-bit value statistics. shapes: input shapes where they
    are dynamic and there is no sample. name: the trace's name, the file's by default.

    Raises InputError for a file that can't be read, dimensions left open, operators without a
    rule (all of them in one message), and NaN or infinite values.
    """
    graph = load_graph(path, inputs, shapes)
    resolve(graph)
    drop_identities(graph)
    prune(graph)
    fuse(graph)
    prune(graph)
    check_supported(graph)
    require_shapes(graph)
    if not graph.nodes:
        raise graph.error("computes nothing: its outputs are constants or inputs.")
    builder = Builder(graph)
    for item in graph.inputs:
        builder.views[item] = input_view(builder, item)
    for node in graph.nodes:
        RULES[node.op](builder, node)
    layers: list[LayerBase] = [draft.layer for draft in builder.drafts]
    if not layers:
        raise graph.error("computes nothing: it only renames its inputs.")
    measured: dict[str, TensorStats] = {}
    if inputs is not None:
        if not graph.has_weights:
            raise graph.error(
                "has no weights, so it can't be run on inputs.",
                "Pass shapes instead, or a file with its weights.",
            )
        layers, measured = with_statistics(builder, inputs)
    return Trace.model_validate(
        {
            "archsim_trace": TRACE_VERSION,
            "name": name or graph.path.stem,
            "provenance": Provenance(
                model=graph.path.name,
                made_by="archsim.trace.onnx.import_onnx",
                data="none" if inputs is None else "the inputs given to import_onnx",
            ),
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
        return View(name, grid, axes, name)
    first = _telling_reader(graph, name)
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
    return View(name, grid, axes, name)


def _telling_reader(graph: Graph, name: str) -> Node | None:
    """The first node behind an input whose operator says which axis holds the channels."""
    users = graph.consumers()
    while name in users:
        first = users[name][0]
        if first.op not in SILENT:
            return first
        name = first.outputs[0]
    return None
