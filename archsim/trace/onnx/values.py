"""Runs the model on real input and counts the values that flow through each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from archsim.errors import nearest
from archsim.trace.layer import LayerBase
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Array, Graph
from archsim.trace.stats import TensorStats, tensor_stats

STATS_BITS = 8


class RunError(Exception):
    """onnxruntime can't load or run a model; the message is its own, in one line."""


def run(model: Any, names: Sequence[str] | None, feeds: Mapping[str, Array]) -> list[Array]:
    """Run a model in memory; `names` are the outputs wanted, None for all.

    Feeds that the model has no input for are left out. Raises RunError.
    """
    onnxruntime = import_module("onnxruntime")  # it has no types
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are ours to tell
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        wanted = {item.name for item in session.get_inputs()}
        found = session.run(names, {k: v for k, v in feeds.items() if k in wanted})
    except Exception as fault:
        raise RunError(str(fault).strip().splitlines()[0] if str(fault) else "no reason") from fault
    return [np.asarray(value) for value in found]


def fetch(graph: Graph, feeds: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    """Values of any tensors of the model, by name; InputError if the run fails."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    try:
        results = run(model, list(names), feeds)
    except RunError as fault:
        raise graph.error(
            f"onnxruntime can't run the model: {fault}", "Check the inputs' names and shapes."
        ) from fault
    return dict(zip(names, results, strict=True))


def typed_inputs(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs in the types that the model declares; InputError if one is missing."""
    for name in graph.types:
        if name not in inputs:
            raise graph.error(
                f"input '{name}' has no value.",
                f"Pass inputs={{'{name}': array of shape {list(graph.shapes[name])}}}."
                + (f" {nearest(name, inputs)}" if inputs else ""),
            )
    return {name: np.asarray(inputs[name]).astype(kind) for name, kind in graph.types.items()}


def with_statistics(
    builder: Builder, inputs: Mapping[str, Array]
) -> tuple[list[LayerBase], dict[str, TensorStats]]:
    """The layers with their value statistics, and the statistics of the graph's inputs.

    Statistics are of 8-bit per-tensor codes; integer tensors (token ids) have none. InputError
    names a tensor with NaN or infinite values.
    """
    graph = builder.graph
    feeds = typed_inputs(graph, inputs)
    needed = {n for draft in builder.drafts for n in (draft.sources[0], draft.output)}
    values = feeds | fetch(graph, feeds, sorted(needed - set(feeds)))
    known: dict[str, TensorStats | None] = {}

    def stats(name: str) -> TensorStats | None:
        if name not in known:
            known[name] = _stats(graph, name, values[name])
        return known[name]

    layers = []
    for draft in builder.drafts:
        weight = None
        if draft.weight is not None:
            weight = _stats(graph, f"{draft.layer.name} (weight)", draft.weight)
        layers.append(
            draft.layer.model_copy(
                update={
                    "weight_stats": weight,
                    "input_stats": stats(draft.sources[0]),
                    "output_stats": stats(draft.output),
                }
            )
        )
    measured = {name: stats(name) for name in graph.inputs if name in values}
    return layers, {name: found for name, found in measured.items() if found is not None}


def _stats(graph: Graph, name: str, values: Array) -> TensorStats | None:
    if values.dtype.kind != "f" or not values.size:
        return None
    try:
        return tensor_stats(values, STATS_BITS)
    except ValueError as fault:
        raise graph.error(
            f"tensor '{name}' has NaN or infinite values on this input.",
            "Check the input's preprocessing and the model's precision.",
        ) from fault
