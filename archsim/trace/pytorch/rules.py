"""Rules for the nodes that ONNX does not have: masks, rotary embeddings, moves by real indices."""

from __future__ import annotations

from collections.abc import Callable

from archsim.trace.mask import recognise
from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Node
from archsim.trace.onnx.masks import set_mask
from archsim.trace.onnx.movement import default_layout
from archsim.trace.operators import Activation, MatMul, Softmax, Unknown
from archsim.trace.pytorch.aten_pointwise import MASK
from archsim.trace.pytorch.emitter import UNKNOWN
from archsim.trace.pytorch.rotary import ROTARY


def mask(builder: Builder, node: Node) -> None:
    """No layer: hidden scores are not computed, and the product says which the mask leaves."""
    view = builder.view(node)
    seen = builder.graph.constants[node.inputs[1]]
    if view.draft >= 0 and builder.is_sole(view, node.inputs[0]):
        builder.views[node.outputs[0]] = builder.rename(view, node)
    else:
        builder.views[node.outputs[0]] = builder.relabel(view, view.axes, node)
    if seen is None or seen.ndim < 2 or seen.shape[-2] < 2:
        return
    each = seen.astype(bool).reshape(-1, *seen.shape[-2:])
    index = builder.behind(view.draft, Activation)
    if index < 0 or not isinstance(builder.drafts[index].layer, MatMul):
        return
    if (each == each[0]).all():  # else heads or sequences differ, and all is computed
        set_mask(builder, index, recognise(each[0]))


def follow_mask(builder: Builder, first: int) -> None:
    """Mask the products from draft `first` on whose rows are shares of masked scores."""
    for index in range(first, len(builder.drafts)):
        layer = builder.drafts[index].layer
        if not isinstance(layer, MatMul) or layer.transposed:
            continue
        source = builder.behind(builder.draft_of(layer.inputs[0]), Softmax, Activation)
        scores = builder.drafts[source].layer if source >= 0 else None
        if isinstance(scores, MatMul) and scores.masked and scores.n == layer.k:
            set_mask(builder, index, {"causal": scores.causal, "mask": scores.mask})


def unknown(builder: Builder, node: Node) -> None:
    """An operator without a cost, in the layout of its input where the shape stays."""
    views = [builder.views[name] for name in node.inputs if name in builder.views]
    views = views or [builder.views[builder.graph.inputs[0]]]
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


def running(builder: Builder, node: Node) -> None:
    """A running sum: an addition for each element."""
    view = builder.view(node)
    builder.views[node.outputs[0]] = builder.pointwise(Activation, node, view, function="scale")


def _moved(function: str) -> Callable[[Builder, Node], None]:
    """A move of all inputs to a tensor of the output's shape, in the first one's layout."""

    def convert(builder: Builder, node: Node) -> None:
        views = [builder.views[name] for name in node.inputs if name in builder.views]
        if not views:
            raise builder.unsupported(node, "moves nothing that is computed")
        shape = builder.shape(node.outputs[0])
        alike = next((view for view in views if view.shape == shape), None)
        axes, rank = (alike.axes, alike.rank) if alike else _resized(views[0], shape)
        builder.views[node.outputs[0]] = builder.move(node, views, axes, rank, function)

    return convert


def _resized(view: layout.View, shape: tuple[int, ...]) -> tuple[layout.Axes, int]:
    axes = layout.resized(view.axes, shape) if len(view.axes) == len(shape) else None
    return (axes, view.rank) if axes is not None else default_layout(shape)


OWN_RULES: dict[str, Callable[[Builder, Node], None]] = {
    MASK: mask, ROTARY: rotary, "Running": running, "Pick": _moved("slice"),
    "Scatter": _moved("pad"), "Flip": _moved("flip"), "Roll": _moved("transpose"),
}  # fmt: skip
