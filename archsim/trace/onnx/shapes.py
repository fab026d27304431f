"""Constant folding and shape inference, until every tensor's shape is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.errors import InputError
from archsim.trace.onnx import origins, values
from archsim.trace.onnx.branches import take_branches
from archsim.trace.onnx.graph import Array, Dims, Graph, Node

# Constants up to this many elements travel with the model that shapes are inferred on.
SMALL = 4096
EVALUATOR_FAULTS = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    AssertionError,
)  # fmt: skip
UNFOLDED = {
    "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial",
    "If", "Loop", "Scan",
}  # fmt: skip


def resolve(graph: Graph) -> None:
    """Fold constant nodes away and fill graph.shapes.

    Folding and inference alternate, because shape arithmetic needs shapes and gives shapes, and
    an If whose condition turns out constant becomes the branch it takes. What is still open is
    learnt from a run of the model on zeros when its weights are there.
    """
    _fold(graph)
    while True:
        branched = take_branches(graph)
        if not branched:
            _infer(graph)
        if not _fold(graph) and not branched:
            break
    missing = _unknown(graph)
    if missing and graph.has_weights:
        _run_for_shapes(graph, missing)
        while _fold(graph):
            _infer(graph)
    for info in graph.model.graph.value_info:
        dims = _static(info)
        if dims is not None:
            graph.shapes.setdefault(info.name, dims)


def has_open_shapes(graph: Graph) -> bool:
    """True if a tensor's shape is still unknown."""
    return bool(_unknown(graph))


def require_shapes(graph: Graph) -> None:
    """InputError if a tensor's shape is still unknown."""
    missing = _unknown(graph)
    if missing:
        raise graph.error(
            f"the shape of tensor '{missing[0]}' is unknown"
            + (f" (and of {len(missing) - 1} more)." if len(missing) > 1 else "."),
            "Pass inputs or shapes, or a file with its weights.",
        )


def prune(graph: Graph) -> None:
    """Drop nodes and inputs that no output of the graph depends on."""
    needed = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(name for name in node.inputs if name)
    graph.nodes = kept[::-1]
    graph.inputs = [name for name in graph.inputs if name in needed]


def _unknown(graph: Graph) -> list[str]:
    used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
    return [
        name
        for node in graph.nodes
        for name in node.outputs
        if name in used and name not in graph.shapes
    ]


def _fold(graph: Graph) -> bool:
    """Turn nodes whose result is constant into constants; True if there was one."""
    kept: list[Node] = []
    for node in graph.nodes:
        if not _fold_node(graph, node):
            kept.append(node)
    changed = len(kept) < len(graph.nodes)
    graph.nodes = kept
    return changed


def _fold_node(graph: Graph, node: Node) -> bool:
    if node.op in ("Shape", "Size"):
        dims = graph.shapes.get(node.inputs[0])
        if dims is None:
            return False
        part = dims[node.attribute("start", 0) : node.attribute("end", len(dims))]
        whole = node.op == "Shape"
        _set(graph, node.outputs[0], np.array(part if whole else math.prod(dims), np.int64))
        return True
    if node.op == "CastLike":  # the type of an activation, which a real constant may keep
        value = graph.constants.get(node.inputs[0])
        if value is None or value.dtype.kind != "f":
            return False
        _set(graph, node.outputs[0], value)
        return True
    names = [name for name in node.inputs if name]
    if node.op in UNFOLDED or not all(name in graph.constants for name in names):
        return False
    feeds = {name: graph.constants[name] for name in names}
    if any(value is None for value in feeds.values()):
        if not all(name in graph.shapes for name in node.outputs if name):
            return False
        for name in node.outputs:
            graph.constants[name] = None
        origins.note(graph, node)
        return True
    results = _evaluate(graph, node, {k: v for k, v in feeds.items() if v is not None})
    if results is None:
        return False
    for name, value in zip(node.outputs, results, strict=False):
        if name:
            _set(graph, name, np.asarray(value))
    origins.note(graph, node)
    return True


def _set(graph: Graph, name: str, value: Array) -> None:
    graph.constants[name] = value
    graph.shapes[name] = value.shape


def _evaluate(graph: Graph, node: Node, feeds: dict[str, Array]) -> list[Array] | None:
    """Run one node on constants; None where neither evaluator knows it."""
    from onnx import ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator

    def info(name: str) -> Any:
        kind = helper.np_dtype_to_tensor_dtype(feeds[name].dtype)
        return helper.make_tensor_value_info(name, kind, feeds[name].shape)

    outputs = [ValueInfoProto(name=name) for name in node.outputs if name]
    single = helper.make_graph([node.proto], "constant", [info(n) for n in feeds], outputs)
    model = helper.make_model(single, opset_imports=list(graph.model.opset_import))
    model.ir_version = graph.model.ir_version
    try:
        return list(ReferenceEvaluator(model).run(None, feeds))
    except EVALUATOR_FAULTS:  # it lacks some old operator versions
        pass
    try:
        return values.run(model, None, feeds)
    except values.RunError:  # left in the graph: an operator without a rule is reported there
        return None


def _infer(graph: Graph) -> None:
    """Static shape inference on the nodes that are left, with large constants as inputs."""
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    infos, small = [], []
    for name in graph.inputs:
        kind = graph.types.get(name, np.dtype(np.float32))
        infos.append(
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(kind), graph.shapes[name]
            )
        )
    used = {name for node in graph.nodes for name in node.inputs}
    for name, value in graph.constants.items():
        if name not in used:
            continue
        if value is not None and value.size <= SMALL:
            small.append(numpy_helper.from_array(value, name))
        else:
            kind_id = (
                TensorProto.FLOAT if value is None else helper.np_dtype_to_tensor_dtype(value.dtype)
            )
            infos.append(helper.make_tensor_value_info(name, kind_id, graph.shapes[name]))
    outputs = [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in graph.outputs]
    body = helper.make_graph([n.proto for n in graph.nodes], "shapes", infos, outputs, small)
    model = helper.make_model(body, opset_imports=list(graph.model.opset_import))
    model.ir_version = max(graph.model.ir_version, 4)
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as fault:
        reason = str(fault).strip().splitlines()[-1]
        raise graph.error(
            f"its shapes contradict each other: {reason}", "Check inputs or shapes."
        ) from fault
    for item in [*inferred.value_info, *inferred.output]:
        dims = _static(item)
        if dims is not None:
            graph.shapes[item.name] = dims


def _static(info: Any) -> Dims | None:
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    dims = kind.shape.dim
    if not all(d.HasField("dim_value") and d.dim_value >= 0 for d in dims):
        return None
    return tuple(int(d.dim_value) for d in dims)


def _run_for_shapes(graph: Graph, missing: list[str]) -> None:
    feeds = {
        name: np.zeros(graph.shapes[name], graph.types.get(name, np.dtype(np.float32)))
        for name in graph.inputs
    }
    try:
        for name, value in values.fetch(graph, feeds, missing):
            graph.shapes[name] = np.shape(value)
    except InputError:  # an operator it doesn't know either: reported as one without a rule
        return
