"""Rules for products with matrices: Gemm and MatMul, with weights or of two activations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.folding import elements
from archsim.trace.onnx.graph import Dims, Node
from archsim.trace.onnx.layout import CHANNEL, Axis, Factor, View
from archsim.trace.onnx.masks import before_softmax
from archsim.trace.onnx.patterns import REPEATED
from archsim.trace.onnx.registry import rule
from archsim.trace.onnx.weights import Weight, weight_of
from archsim.trace.operators import Conv2d, Linear, MatMul


@rule("Gemm")
def gemm(builder: Builder, node: Node) -> None:
    """alpha * A' B' + beta * C with a constant B; C is a bias."""
    name = node.inputs[1]
    bias = node.optional(2)
    if not builder.is_constant(name) or (bias and not builder.is_constant(bias)):
        raise builder.unsupported(node, "multiplies or adds something that isn't constant")
    view = builder.view(node)
    if node.attribute("transA", 0):
        view = builder.arrange(node, view, [1], [0])
        view = replace(view, axes=view.axes[::-1])
    flipped = bool(node.attribute("transB", 0))
    columns = builder.shape(name)[0 if flipped else 1]
    weight = weight_of(builder.graph, name, np.transpose if flipped else np.asarray)
    alpha = float(node.attribute("alpha", 1.0))
    if weight is not None and alpha != 1:
        weight = weight.scaled(np.asarray(alpha))
    _linear(builder, node, view, 1, columns, weight, name, elements(builder, bias))


@rule("FusedMatMul")
def fused_matmul(builder: Builder, node: Node) -> None:
    """A product of which either factor may be transposed first."""
    left, right = node.inputs[:2]
    flips = [bool(node.attribute(name, 0)) for name in ("transA", "transB")]
    if builder.is_constant(left) or (builder.is_constant(right) and flips[0]):
        raise builder.unsupported(node, "transposes or multiplies a constant on its left")
    if builder.is_constant(right):
        weight = weight_of(builder.graph, right, np.transpose if flips[1] else np.asarray)
        columns = builder.shape(right)[-2 if flips[1] else -1]
        if weight is not None:
            weight = weight.scaled(np.asarray(float(node.attribute("alpha", 1.0))))
        view = builder.view(node)
        _linear(builder, node, view, len(view.axes) - 1, columns, weight, right)
        return
    views = []
    for view, flip in zip((builder.view(node, 0), builder.view(node, 1)), flips, strict=True):
        swapped = (*view.axes[:-2], view.axes[-1], view.axes[-2])
        views.append(replace(view, axes=swapped) if flip else view)
    emit_product(builder, node, views[0], views[1])


@rule("MatMul")
def matmul(builder: Builder, node: Node) -> None:
    """A product with a constant matrix (linear) or of two activations (matmul)."""
    left, right = node.inputs[:2]
    if builder.is_constant(left):
        view = builder.view(node, 1)
        rows, inner = _matrix(builder, node, left)
        weight = weight_of(builder.graph, left, lambda w: w.reshape(rows, inner).T)
        if len(view.axes) < 2:
            raise builder.unsupported(node, "multiplies a matrix with a vector")
        _linear(builder, node, view, len(view.axes) - 2, rows, weight, left)
    elif builder.is_constant(right):
        view = builder.view(node)
        if math.prod(builder.shape(right)[:-2]) > 1:
            _per_head(builder, node, view, right)
            return
        inner, columns = _matrix(builder, node, right)
        weight = weight_of(builder.graph, right, lambda w: w.reshape(inner, columns))
        _linear(builder, node, view, len(view.axes) - 1, columns, weight, right)
    else:
        emit_product(builder, node, builder.view(node, 0), builder.view(node, 1))


def _per_head(builder: Builder, node: Node, view: View, stored: str) -> None:
    """A constant matrix for every head: a grouped convolution over single positions."""
    *lead, inner, columns = builder.shape(stored)
    rank = len(view.axes)
    lead = [1] * (rank - 2 - len(lead)) + lead
    heads = math.prod(lead)
    if list(view.shape[:-2]) != lead or view.shape[-1] != inner:
        raise builder.unsupported(
            node, f"has a constant operand of shape {[*lead, inner, columns]}"
        )
    joined = tuple(factor for axis in (*view.axes[:-2], view.axes[-1]) for factor in axis)
    flat = replace(view, axes=((), joined, (), view.axes[-2]))
    source = builder.arrange(node, flat, (2, 3), (1,), exact=True)
    weight = weight_of(
        builder.graph, stored,
        lambda w: w.reshape(heads, inner, columns).transpose(1, 0, 2).reshape(inner, -1),
    )  # fmt: skip
    wide = [(Factor((CHANNEL, i), n),) if n > 1 else () for i, n in enumerate(lead)]
    last: Axis = (Factor((CHANNEL, rank), columns),) if columns > 1 else ()
    builder.views[node.outputs[0]] = builder.emit(
        Conv2d, node, [source], (*wide, source.axes[3], last), source.rank, weight=weight,
        stored=stored, in_channels=heads * inner, out_channels=heads * columns, groups=heads,
        kernel=(1, 1),
    )  # fmt: skip


def _matrix(builder: Builder, node: Node, name: str) -> tuple[int, int]:
    shape = builder.shape(name)
    if len(shape) < 2 or math.prod(shape[:-2]) != 1:
        raise builder.unsupported(node, f"has a constant operand of shape {list(shape)}")
    return shape[-2], shape[-1]


def _linear(
    builder: Builder, node: Node, view: View, axis: int, columns: int, weight: Weight | None,
    stored: str, biases: int = 0, bits: int | None = None,
) -> None:  # fmt: skip
    """A linear layer over ONNX axis `axis`; every other axis is a position."""
    others = [i for i in range(len(view.axes)) if i != axis]
    rows = view.shape[axis]
    view = builder.arrange(node, view, others, [axis])
    made: Axis = (Factor((CHANNEL, 0), columns),) if columns > 1 else ()
    axes = tuple(made if i == axis else old for i, old in enumerate(view.axes))
    builder.views[node.outputs[0]] = builder.emit(
        Linear, node, [view], axes, view.rank, weight=weight, takes_affine=True, stored=stored,
        in_features=rows, out_features=columns, biases=biases, weight_bits=bits,
    )  # fmt: skip


@rule("MatMulNBits")
def few_bits(builder: Builder, node: Node) -> None:
    """A linear layer whose weights the file holds in blocks of codes of a few bits."""
    view, columns = builder.view(node), int(node.attribute("N"))
    stored = node.inputs[1]
    if int(node.attribute("K")) != view.shape[-1] or not builder.is_constant(stored):
        raise builder.unsupported(node, "does not hold the weights of its input's channels")
    _linear(
        builder, node, view, len(view.axes) - 1, columns, None, stored,
        elements(builder, node.optional(5)), int(node.attribute("bits", 4)),
    )  # fmt: skip


def emit_product(
    builder: Builder, node: Node, rows: View, operand: View, order: Sequence[int] | None = None
) -> None:
    """Attention scores or context: leading axes are heads, kept in the channels.

    order: which of the product's axes (heads, row, column) each axis of the node's output is.

    A second operand with fewer heads (1 where the first has more, or heads that a repeat would
    copy) serves several heads each: grouped-query attention.
    """
    if len(rows.axes) < 2 or len(operand.axes) < 2:
        raise builder.unsupported(node, "multiplies with a vector")
    rank = max(len(rows.axes), len(operand.axes))
    rows, operand = _lifted(rows, rank), _lifted(operand, rank)
    row, column = rank - 2, rank - 1
    lead = list(range(row))
    heads, shared = math.prod(rows.shape[:row]), math.prod(operand.shape[:row])
    if not _groups(rows.shape[:row], operand.shape[:row]):
        raise builder.unsupported(
            node, f"broadcasts heads: {list(rows.shape)} by {list(operand.shape)}"
        )
    rows = builder.arrange(node, rows, [row], [*lead, column])
    transposed = _all(operand.axes[column], True) and _all(operand.axes[row], False)
    if _all(operand.axes[row], True) and _all(operand.axes[column], False):
        transposed = False
    elif not transposed:  # the operand tells nothing of its axes
        transposed = before_softmax(builder.graph, node.outputs[0])
    if transposed:
        operand = builder.arrange(node, operand, [column], [*lead, row])
    else:
        operand = builder.arrange(node, operand, [row], [*lead, column])
    n = operand.shape[column]
    head_axes = [
        (Factor((CHANNEL, i), extent),) if extent > 1 else ()
        for i, extent in enumerate(rows.shape[:row])
    ]
    last: Axis = (Factor((CHANNEL, rank), n),) if n > 1 else ()
    axes = (*head_axes, rows.axes[row], last)
    builder.views[node.outputs[0]] = builder.emit(
        MatMul, node, [rows, operand], tuple(axes[i] for i in order or range(rank)), rows.rank,
        heads=heads, kv_heads=shared if shared < heads else None, k=rows.shape[column], n=n,
        transposed=transposed,
    )  # fmt: skip


def _groups(rows: Dims, operand: Dims) -> bool:
    """True where every head of the operand serves as many consecutive heads of the rows."""
    differ = [i for i, (a, b) in enumerate(zip(rows, operand, strict=True)) if a != b]
    if not differ:
        return True
    first = differ[0]
    behind_one = math.prod(operand[first + 1 :]) == 1
    return rows[first] % operand[first] == 0 and behind_one


@rule(REPEATED)
def repeated(builder: Builder, node: Node) -> None:
    """Heads that the product behind them reads several times: the heads that there are."""
    view = builder.view(node)
    builder.views[node.outputs[0]] = replace(view, sole=False)


def _all(axis: Axis, position: bool) -> bool:
    return all(factor.is_position == position for factor in axis)


def _lifted(view: View, rank: int) -> View:
    return replace(view, axes=((),) * (rank - len(view.axes)) + view.axes)
