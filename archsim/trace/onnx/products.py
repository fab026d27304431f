"""Rules for the operators that multiply and accumulate: Conv, Gemm, MatMul."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Array, Node
from archsim.trace.onnx.layout import CHANNEL, Axis, Factor, View
from archsim.trace.onnx.registry import rule
from archsim.trace.operators import Conv2d, Linear, MatMul


@rule("Conv")
def conv(builder: Builder, node: Node) -> None:
    """A 1-D or 2-D convolution; 1-D runs on a map one position high."""
    source = builder.view(node)
    weight_name, bias = node.inputs[1], node.optional(2)
    if not builder.is_constant(weight_name) or (bias and not builder.is_constant(bias)):
        raise builder.unsupported(node, "has a weight or bias that isn't constant")
    view = builder.feature_map(node, source)
    out, per_group, *kernel = builder.shape(weight_name)
    groups = int(node.attribute("group", 1))
    weight = builder.graph.constants[weight_name]
    flat = len(source.axes) == 3
    axes, rank = layout.fresh(_map_shape(builder.shape(node.outputs[0])), (2, 3), (1,))
    made = builder.emit(
        Conv2d, node, [view], axes, rank,
        weight=None if weight is None else np.asarray(weight, np.float64), takes_affine=True,
        in_channels=per_group * groups, out_channels=out, groups=groups,
        **window(node, view.shape[2:], kernel),
    )  # fmt: skip
    builder.views[node.outputs[0]] = squeezed(made) if flat else made


def _map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def squeezed(view: View) -> View:
    """A rank-4 view of a map one position high as rank 3."""
    axes = (*view.axes[:2], view.axes[3])
    return View(view.record, view.rank, axes, view.tensor, view.draft, view.sole)


def window(node: Node, extent: tuple[int, ...], kernel: list[int]) -> dict[str, Any]:
    """Kernel, stride, padding and dilation of a convolution or pooling node.

    extent: height and width of the input; kernel: one or two sizes, as in the node.
    """
    flat = len(kernel) == 1

    def pair(name: str) -> tuple[int, ...]:
        values = tuple(node.attribute(name) or (1,) * len(kernel))
        return (1, *values) if flat else values

    size = (1, *kernel) if flat else tuple(kernel)
    stride, dilation = pair("strides"), pair("dilations")
    pads = list(node.attribute("pads") or [0] * (2 * len(kernel)))
    padding = [0, pads[0], 0, pads[1]] if flat else pads
    auto = node.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        for axis in (0, 1):
            steps = -(-extent[axis] // stride[axis])
            covered = (size[axis] - 1) * dilation[axis] + 1
            total = max((steps - 1) * stride[axis] + covered - extent[axis], 0)
            less, more = total // 2, total - total // 2
            padding[axis] = less if auto == "SAME_UPPER" else more
            padding[axis + 2] = more if auto == "SAME_UPPER" else less
    elif auto == "VALID":
        padding = [0, 0, 0, 0]
    return {"kernel": size, "stride": stride, "padding": tuple(padding), "dilation": dilation}


@rule("Gemm")
def gemm(builder: Builder, node: Node) -> None:
    """alpha * A' B' + beta * C with a constant B; C is a bias."""
    name = node.inputs[1]
    bias = node.optional(2)
    if not builder.is_constant(name) or (bias and not builder.is_constant(bias)):
        raise builder.unsupported(node, "multiplies or adds something that isn't constant")
    view = builder.view(node)
    if node.attribute("transA", 0):
        view = builder.relabel(view, view.axes[::-1], node.inputs[0])
    rows, columns = builder.shape(name)
    weight = builder.graph.constants[name]
    if node.attribute("transB", 0):
        rows, columns = columns, rows
        weight = None if weight is None else weight.T
    if weight is not None:
        weight = np.asarray(weight, np.float64) * float(node.attribute("alpha", 1.0))
    _linear(builder, node, view, 1, columns, weight)


@rule("MatMul")
def matmul(builder: Builder, node: Node) -> None:
    """A product with a constant matrix (linear) or of two activations (matmul)."""
    left, right = node.inputs[:2]
    if builder.is_constant(left):
        view = builder.view(node, 1)
        rows, inner = _matrix(builder, node, left)
        value = builder.graph.constants[left]
        weight = None if value is None else np.asarray(value, np.float64).reshape(rows, inner).T
        if len(view.axes) < 2:
            raise builder.unsupported(node, "multiplies a matrix with a vector")
        _linear(builder, node, view, len(view.axes) - 2, rows, weight)
    elif builder.is_constant(right):
        view = builder.view(node)
        inner, columns = _matrix(builder, node, right)
        value = builder.graph.constants[right]
        weight = None if value is None else np.asarray(value, np.float64).reshape(inner, columns)
        _linear(builder, node, view, len(view.axes) - 1, columns, weight)
    else:
        _activations(builder, node)


def _matrix(builder: Builder, node: Node, name: str) -> tuple[int, int]:
    shape = builder.shape(name)
    if len(shape) < 2 or math.prod(shape[:-2]) != 1:
        raise builder.unsupported(node, f"has a constant operand of shape {list(shape)}")
    return shape[-2], shape[-1]


def _linear(
    builder: Builder, node: Node, view: View, axis: int, columns: int, weight: Array | None
) -> None:
    """A linear layer over ONNX axis `axis`; every other axis is a position."""
    others = [i for i in range(len(view.axes)) if i != axis]
    rows = view.shape[axis]
    view = builder.arrange(node, view, others, [axis])
    made: Axis = (Factor((CHANNEL, 0), columns),) if columns > 1 else ()
    axes = tuple(made if i == axis else old for i, old in enumerate(view.axes))
    builder.views[node.outputs[0]] = builder.emit(
        Linear, node, [view], axes, view.rank, weight=weight, out_axis=1, takes_affine=True,
        in_features=rows, out_features=columns,
    )  # fmt: skip


def _activations(builder: Builder, node: Node) -> None:
    """Attention scores or context: leading axes are heads, kept in the channels."""
    rows, operand = builder.view(node, 0), builder.view(node, 1)
    if len(rows.axes) < 2 or len(operand.axes) < 2:
        raise builder.unsupported(node, "multiplies with a vector")
    rank = max(len(rows.axes), len(operand.axes))
    rows, operand = _lifted(rows, rank), _lifted(operand, rank)
    lead = list(range(rank - 2))
    if rows.shape[: rank - 2] != operand.shape[: rank - 2]:
        raise builder.unsupported(
            node,
            f"broadcasts heads: {list(rows.shape)} by {list(operand.shape)}",
        )
    row, column = rank - 2, rank - 1
    rows = builder.arrange(node, rows, [row], [*lead, column])
    transposed = _all(operand.axes[column], True) and _all(operand.axes[row], False)
    if _all(operand.axes[row], True) and _all(operand.axes[column], False):
        transposed = False
    if transposed:
        operand = builder.arrange(node, operand, [column], [*lead, row])
    else:
        operand = builder.arrange(node, operand, [row], [*lead, column])
    n = operand.shape[column]
    head_axes = [
        (Factor((CHANNEL, i), extent),) if extent > 1 else ()
        for i, extent in enumerate(rows.shape[: rank - 2])
    ]
    last: Axis = (Factor((CHANNEL, rank), n),) if n > 1 else ()
    builder.views[node.outputs[0]] = builder.emit(
        MatMul, node, [rows, operand], (*head_axes, rows.axes[row], last), rows.rank,
        heads=math.prod(rows.shape[: rank - 2]), k=rows.shape[column], n=n, transposed=transposed,
    )  # fmt: skip


def _all(axis: Axis, position: bool) -> bool:
    return all(factor.is_position == position for factor in axis)


def _lifted(view: View, rank: int) -> View:
    axes = ((),) * (rank - len(view.axes)) + view.axes
    return View(view.record, view.rank, axes, view.tensor, view.draft, view.sole)
