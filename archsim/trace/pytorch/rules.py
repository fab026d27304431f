"""Rules for the nodes that ONNX does not have: masks and operators that archsim does not know."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Node
from archsim.trace.operators import Activation, MatMul, Softmax, Unknown
from archsim.trace.pytorch.functions import MASK
from archsim.trace.pytorch.recorder import UNKNOWN
from archsim.trace.pytorch.rotary import ROTARY


def mask(builder: Builder, node: Node) -> None:
    """No layer: hidden scores are not computed where the mask is causal, else not counted.

    A mask is causal where it hides exactly the positions that come later.
    """
    view = builder.view(node)
    seen = builder.graph.constants[node.inputs[1]]
    if view.draft >= 0 and builder.is_sole(view, node.inputs[0]):
        builder.views[node.outputs[0]] = builder.rename(view, node)
    else:
        builder.views[node.outputs[0]] = builder.relabel(view, view.axes, node)
    if seen is None or seen.ndim < 2 or not _is_causal(seen):
        return
    index = _through(builder, view.draft, Activation)
    if index >= 0 and isinstance(builder.drafts[index].layer, MatMul):
        _make_causal(builder, index)


def follow_causal(builder: Builder, first: int) -> None:
    """Make the products from draft `first` on causal whose rows are shares of causal scores."""
    for index in range(first, len(builder.drafts)):
        layer = builder.drafts[index].layer
        if not isinstance(layer, MatMul) or layer.transposed:
            continue
        source = _through(builder, _index(builder, layer.inputs[0]), Softmax, Activation)
        scores = builder.drafts[source].layer if source >= 0 else None
        if isinstance(scores, MatMul) and scores.causal and scores.n == layer.k:
            _make_causal(builder, index)


def unknown(builder: Builder, node: Node) -> None:
    """An operator without a cost, in the layout of its input where the shape stays."""
    views = [builder.views[name] for name in node.inputs if name in builder.views]
    for index, name in enumerate(node.outputs):
        if not builder.uses[name]:
            continue
        shape = builder.shape(name)
        same = next((view for view in views if view.shape == shape), None)
        if same is None:
            axes, rank = layout.tokens(shape)
        else:
            axes, rank = same.axes, same.rank
        builder.views[name] = builder.emit(
            Unknown, node, views, axes, rank, output=index, operator=node.op.removeprefix(UNKNOWN)
        )


def rotary(builder: Builder, node: Node) -> None:
    """Pairs of channels turned by their position."""
    view = builder.view(node)
    builder.views[node.outputs[0]] = builder.pointwise(Activation, node, view, function="rotary")


OWN_RULES: dict[str, Callable[[Builder, Node], None]] = {MASK: mask, ROTARY: rotary}


def _make_causal(builder: Builder, index: int) -> None:
    draft = builder.drafts[index]
    draft.layer = draft.layer.model_copy(update={"causal": True})


def _through(builder: Builder, index: int, *kinds: type) -> int:
    """The draft behind a chain of layers of these kinds; -1 for an input of the graph."""
    while index >= 0 and isinstance(builder.drafts[index].layer, kinds):
        index = _index(builder, builder.drafts[index].layer.inputs[0])
    return index


def _index(builder: Builder, name: str) -> int:
    return next((i for i, d in enumerate(builder.drafts) if d.layer.name == name), -1)


def _is_causal(seen: np.ndarray) -> bool:
    rows, span = seen.shape[-2:]
    return rows > 1 and bool((seen.astype(bool) == np.tri(rows, span, span - rows, bool)).all())
