"""Runs a model with onnxruntime and reads any of its tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from archsim.errors import nearest
from archsim.trace.onnx.graph import Array, Graph

GROUP_BYTES = 192_000_000  # of tensors read in one run
LARGEST = 1_900_000_000  # bytes of a model that protobuf can write in one piece


class RunError(Exception):
    """onnxruntime can't load or run a model; the message is its own, in one line."""


def run(model: Any, names: Sequence[str] | None, feeds: Mapping[str, Array]) -> list[Array]:
    """Run a model in memory; `names` are the outputs wanted, None for all.

    Feeds that the model has no input for are left out. Raises RunError.
    """
    try:
        onnxruntime = import_module("onnxruntime")  # it has no types
    except ImportError as fault:
        raise RunError("the package onnxruntime is not installed") from fault
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are ours to tell
    # Its optimiser may round the sums of quantised layers otherwise than the model says.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Its threads would wait for each other by spinning, which is slow on a machine that is shared.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False  # the arena keeps the peak of every run
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        wanted = {item.name for item in session.get_inputs()}
        found = session.run(names, {k: v for k, v in feeds.items() if k in wanted})
    except Exception as fault:
        raise RunError(str(fault).strip().splitlines()[0] if str(fault) else "no reason") from fault
    return [np.asarray(value) for value in found]


def fetch(
    graph: Graph, feeds: Mapping[str, Array], names: Sequence[str]
) -> Iterator[tuple[str, Array]]:
    """Values of any tensors of the model, one after another; InputError if the run fails.

    The model runs once for each group of tensors that are small enough together, so that memory
    does not grow with the depth of the network.
    """
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    if model.ByteSize() > LARGEST:
        feeds = {**feeds, **_take_weights(model)}
    del model.graph.value_info[:]  # its shapes may be those of another batch
    for group in _groups(graph, names):
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in group)
        try:
            results = run(model, group, feeds)
        except RunError as fault:
            raise graph.error(
                f"onnxruntime can't run the model: {fault}", "Check the inputs' names and shapes."
            ) from fault
        yield from zip(group, results, strict=True)


def _groups(graph: Graph, names: Sequence[str]) -> Iterator[list[str]]:
    group: list[str] = []
    total = 0
    for name in names:
        size = 4 * math.prod(graph.shapes.get(name, ()))
        if group and total + size > GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append(name)
        total += size
    if group:
        yield group


def _take_weights(model: Any) -> dict[str, Array]:
    """Turn the initializers of a model into inputs, and return their values."""
    from onnx import helper, numpy_helper

    taken = {}
    for tensor in model.graph.initializer:
        taken[tensor.name] = np.asarray(numpy_helper.to_array(tensor))
        model.graph.input.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        )
    del model.graph.initializer[:]
    return taken


def typed_inputs(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs in the types that the model declares; InputError if one is missing or not finite.

    Integers may stand for real numbers, not the other way round.
    """
    found = {}
    for name, kind in graph.types.items():
        if name not in inputs:
            raise graph.error(
                f"input '{name}' has no value.",
                f"Give an array of shape {list(graph.shapes[name])} by that name."
                + (f" {nearest(name, inputs)}" if inputs else ""),
            )
        value = np.asarray(inputs[name])
        if not np.can_cast(value.dtype, kind, "same_kind"):
            raise graph.error(
                f"input '{name}' is {value.dtype}, the model takes {kind}.",
                "Convert the array before it is saved.",
            )
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise graph.error(f"input '{name}' has NaN or infinite values.", "Check the input.")
        found[name] = value.astype(kind)
    return found
