"""Rules for pooling and for reductions over positions."""

from __future__ import annotations

from typing import Any

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.convolution import squeezed, window
from archsim.trace.onnx.graph import Node
from archsim.trace.onnx.layout import View
from archsim.trace.onnx.links import reduced_axes
from archsim.trace.onnx.registry import rule
from archsim.trace.operators import Pool, Reduce


@rule("MaxPool", "AveragePool")
def pool(builder: Builder, node: Node) -> None:
    """A sliding maximum or mean."""
    source = builder.view(node)
    view = builder.feature_map(node, source)
    shape = builder.shape(node.outputs[0])
    flat = len(shape) == 3
    out = (*shape[:2], 1, shape[2]) if flat else shape
    fields = window(node, view.shape[2:], list(node.attribute("kernel_shape")))
    fields["padding"] = _end_padding(fields, view.shape[2:], out[2:])
    axes, rank = layout.fresh(out, (2, 3), (1,))
    function = "max" if node.op == "MaxPool" else "avg"
    made = builder.emit(Pool, node, [view], axes, rank, function=function, **fields)
    builder.views[node.outputs[0]] = squeezed(made) if flat else made


def _end_padding(
    fields: dict[str, Any], extent: tuple[int, ...], out: tuple[int, ...]
) -> tuple[int, ...]:
    """Padding with which the window gives exactly `out` steps (ceil_mode written out)."""
    padding = list(fields["padding"])
    for axis in (0, 1):
        covered = (fields["kernel"][axis] - 1) * fields["dilation"][axis] + 1
        steps = (extent[axis] + padding[axis] + padding[axis + 2] - covered) // fields["stride"][
            axis
        ] + 1
        if steps != out[axis]:
            needed = (out[axis] - 1) * fields["stride"][axis] + covered
            padding[axis + 2] = max(needed - extent[axis] - padding[axis], 0)
    return tuple(padding)


@rule("GlobalAveragePool", "GlobalMaxPool")
def global_pool(builder: Builder, node: Node) -> None:
    """A pool whose kernel is the whole map."""
    source = builder.view(node)
    view = builder.feature_map(node, source)
    made = _whole(builder, node, view, (2, 3), "max" if "Max" in node.op else "avg")
    builder.views[node.outputs[0]] = squeezed(made) if len(source.axes) == 3 else made


def _whole(builder: Builder, node: Node, view: View, over: tuple[int, ...], function: str) -> View:
    """Pool a feature map over whole axes, which become 1."""
    kernel = tuple(view.shape[a] if a in over else 1 for a in (2, 3))
    axes = tuple(() if i in over else axis for i, axis in enumerate(view.axes))
    return builder.emit(Pool, node, [view], axes, 2, function=function, kernel=kernel)


@rule("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum")
def reduce(builder: Builder, node: Node) -> None:
    """Over all positions: reduce (or pool, for a map that stays one); over some of a map: pool."""
    view = builder.view(node)
    name = node.outputs[0]
    reduced = reduced_axes(builder.graph, node)
    if reduced is None:
        raise builder.unsupported(node, "reduces over axes that aren't constant")
    keep = bool(node.attribute("keepdims", 1))
    over = [a for a in reduced if view.axes[a]]
    if not over:
        builder.views[name] = builder.relabel(view, _left(view, reduced, keep), node)
        return
    # A minimum takes the comparisons of a maximum.
    function = {"ReduceMean": "mean", "ReduceSum": "sum"}.get(node.op, "max")
    positions = [a for a, axis in enumerate(view.axes) if any(f.is_position for f in axis)]
    is_map = len(view.axes) == 4 and view.rank == 2 and set(reduced) <= {2, 3}
    if is_map and function != "sum" and (keep or len(over) < len(positions)):
        view = builder.feature_map(node, view)
        pooled = "avg" if function == "mean" else "max"
        made = _whole(builder, node, view, tuple(over), pooled)
        axes = _left(made, reduced, keep)
        builder.views[name] = View(made.record, made.rank, axes, name, made.draft, True)
        return
    others = [a for a in range(len(view.axes)) if a not in over]
    view = builder.arrange(node, view, over, others)
    axes = _left(view, reduced, keep)
    builder.views[name] = builder.emit(Reduce, node, [view], axes, 0, function=function)


def _left(view: View, reduced: list[int], keep: bool) -> layout.Axes:
    if keep:
        return tuple(() if i in reduced else axis for i, axis in enumerate(view.axes))
    return tuple(axis for i, axis in enumerate(view.axes) if i not in reduced)
