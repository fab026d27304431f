"""Einsum of two factors as the product that it is: a linear layer, or one of attention."""

from __future__ import annotations

import math
from dataclasses import replace

from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Node
from archsim.trace.onnx.layout import CHANNEL, Axis, Factor, View
from archsim.trace.onnx.products import emit_product
from archsim.trace.onnx.registry import rule
from archsim.trace.onnx.weights import weight_of
from archsim.trace.operators import Linear


@rule("Einsum")
def einsum(builder: Builder, node: Node) -> None:
    """Labels that both factors and no output have are summed over; those of all three are heads."""
    equation = str(node.attribute("equation", "")).replace(" ", "")
    sides, arrow, out = equation.partition("->")
    terms = sides.split(",")
    repeated = any(len(set(term)) < len(term) for term in [*terms, out])
    if not arrow or len(terms) != 2 or len(node.inputs) != 2 or "." in equation or repeated:
        raise builder.unsupported(node, f"'{equation}' is not a product of two factors")
    (left, right), (first, second) = terms, node.inputs
    if builder.is_constant(first):
        (left, right), (first, second) = (right, left), (second, first)
    view = builder.views[first] if first in builder.views else builder.view(node, 0)
    if builder.is_constant(second):
        _with_weights(builder, node, view, (left, right, out), second)
    else:
        other = builder.views[second] if second in builder.views else builder.view(node, 1)
        _of_activations(builder, node, (view, other), (left, right, out))


def _with_weights(
    builder: Builder, node: Node, view: View, labels: tuple[str, str, str], stored: str
) -> None:
    left, right, out = labels
    inner = [label for label in left if label in right and label not in out]
    outer = [label for label in right if label not in left]
    shared = [label for label in left if label in right and label in out]
    lost = [x for x in left if x not in right and x not in out] + [x for x in outer if x not in out]
    if shared or lost or not inner:
        raise builder.unsupported(node, "multiplies each channel, or sums one factor alone")
    order = [right.index(label) for label in [*inner, *outer]]
    sizes = dict(zip(right, builder.shape(stored), strict=True))
    rows, columns = (math.prod(sizes[x] for x in part) for part in (inner, outer))
    weight = weight_of(builder.graph, stored, lambda w: w.transpose(order).reshape(rows, columns))
    kept = [label for label in left if label not in inner]
    view = builder.arrange(
        node, view, [left.index(x) for x in kept], [left.index(x) for x in inner]
    )
    made: dict[str, Axis] = {x: view.axes[left.index(x)] for x in kept}
    for number, label in enumerate(outer):
        size = sizes[label]
        made[label] = (Factor((CHANNEL, number), size),) if size > 1 else ()
    builder.views[node.outputs[0]] = builder.emit(
        Linear, node, [view], tuple(made[x] for x in out), view.rank, weight=weight,
        takes_affine=True, stored=stored, in_features=rows, out_features=columns,
    )  # fmt: skip


def _of_activations(
    builder: Builder, node: Node, views: tuple[View, View], labels: tuple[str, str, str]
) -> None:
    left, right, out = labels
    heads = [x for x in out if x in left and x in right]
    rows = [x for x in left if x not in right]
    columns = [x for x in right if x not in left]
    inner = [x for x in left if x in right and x not in out]
    if not (len(rows) == len(columns) == len(inner) == 1 and rows[0] in out and columns[0] in out):
        raise builder.unsupported(node, "is not a product of matrices")
    rows_view, operand = (
        replace(view, axes=tuple(view.axes[own.index(x)] for x in wanted))
        for view, own, wanted in (
            (views[0], left, [*heads, *rows, *inner]),
            (views[1], right, [*heads, *inner, *columns]),
        )
    )
    made = [*heads, *rows, *columns]
    emit_product(builder, node, rows_view, operand, [made.index(x) for x in out])
