"""Attention masks in a file: constants that hide positions, recognised by what they hide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.trace.mask import recognise
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Array, Graph, Node
from archsim.trace.onnx.layout import View
from archsim.trace.operators import Activation, Elementwise, MatMul, Softmax

HIDDEN = -1e3  # what is added to hidden scores is below this


def shown(value: Array | None) -> NDArray[np.bool_] | None:
    """Where a constant that is added to scores lets them be, (..., rows, span); None for no mask.

    A mask adds 0 or less than HIDDEN, and hides something.
    """
    if value is None or value.ndim < 2 or value.dtype.kind != "f":
        return None
    kept = value == 0
    if kept.all() or not (kept | (value < HIDDEN)).all():
        return None
    return np.asarray(kept)


def take_mask(builder: Builder, node: Node, view: View, seen: NDArray[np.bool_]) -> bool:
    """Let a constant mask behind a product's scores be a property of the product.

    False where the view is not of scores, whose last two axes the mask has.
    """
    index = scores_behind(builder, view)
    if index < 0 or seen.shape[-2:] != view.shape[-2:]:
        return False
    layer = builder.drafts[index].layer
    assert isinstance(layer, MatMul)
    each = seen.reshape(-1, *seen.shape[-2:])
    if (each == each[0]).all() and layer.n == seen.shape[-1]:  # else heads differ: all is computed
        set_mask(builder, index, recognise(each[0]))
    builder.views[node.outputs[0]] = builder.relabel(view, view.axes, node)
    return True


def scores_behind(builder: Builder, view: View) -> int:
    """Number of the draft with the product of two activations that a view scales; -1 for none."""
    index = builder.behind(view.draft, Activation, Elementwise)
    return index if index >= 0 and isinstance(builder.drafts[index].layer, MatMul) else -1


def follow_masks(builder: Builder, first: int) -> None:
    """Mask the products from draft `first` on whose rows are shares of masked scores."""
    for index in range(first, len(builder.drafts)):
        layer = builder.drafts[index].layer
        if not isinstance(layer, MatMul) or layer.masked:
            continue
        source = builder.draft_of(layer.inputs[0])
        if source < 0 or not isinstance(builder.drafts[source].layer, Softmax | Activation):
            continue
        source = builder.behind(source, Softmax, Activation)
        scores = builder.drafts[source].layer if source >= 0 else None
        if isinstance(scores, MatMul) and scores.masked and scores.n == layer.k:
            set_mask(builder, index, {"causal": scores.causal, "mask": scores.mask})


def set_mask(builder: Builder, index: int, fields: Mapping[str, Any]) -> None:
    """Give a product's draft the fields that say what a row attends to."""
    draft = builder.drafts[index]
    draft.layer = draft.layer.model_copy(update=fields)


def before_softmax(graph: Graph, name: str) -> bool:
    """True for scores: a softmax reads the tensor, behind scales and masks."""
    users = graph.consumers()
    while len(readers := users.get(name, [])) == 1:
        if readers[0].op == "Softmax":
            return True
        if readers[0].op not in ("Add", "Mul", "Div", "Where", "Sub"):
            return False
        name = readers[0].outputs[0]
    return False


def is_table(value: Array | None) -> bool:
    """True for what no training made: masks, position ids, and tables of sines and cosines.

    A table of cosines of t * f, t = 0, 1, 2 ..., has 2 c1^2 - 1 in its third row where the second
    has c1; of sines, 2 s1 sqrt(1 - s1^2) or its negative. A common factor (of the first row of
    cosines) is allowed.
    """
    if value is None:
        return False
    if value.dtype.kind != "f" or shown(value) is not None:
        return True
    if value.ndim < 2 or value.shape[-2] < 3:
        return False
    rows = value.reshape(-1, *value.shape[-2:])[0].astype(np.float64)
    start = rows[0]
    if np.allclose(rows[1], start, atol=1e-6):
        return False
    if np.allclose(start, start[0], atol=1e-6) and start[0] > 0:
        cosines = rows / start[0]
        return bool(np.allclose(cosines[2], 2 * cosines[1] ** 2 - 1, atol=1e-3))
    if np.allclose(start, 0, atol=1e-6) and np.abs(rows).max() <= 1.0001:
        squares = 4 * rows[1] ** 2 * (1 - rows[1] ** 2)
        return bool(np.allclose(rows[2] ** 2, squares, atol=1e-3))
    return False
