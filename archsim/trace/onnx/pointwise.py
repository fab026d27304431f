"""Rules for operators that keep the shape: functions, norms, softmax, arithmetic."""

from __future__ import annotations

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Dims, Node
from archsim.trace.onnx.layout import Axis, View
from archsim.trace.onnx.patterns import FUSED, FUSED_NORM
from archsim.trace.onnx.registry import rule
from archsim.trace.operators import Activation, Elementwise, Norm, Softmax

FUNCTIONS = {
    "Relu": "relu", "Clip": "clip", "LeakyRelu": "leaky_relu", "PRelu": "leaky_relu",
    "Sigmoid": "sigmoid", "HardSigmoid": "hardsigmoid", "HardSwish": "hardswish", "Tanh": "tanh",
    "Gelu": "gelu", "Swish": "silu", "Erf": "erf", "Exp": "exp", "Sqrt": "sqrt",
    "Neg": "scale", "Reciprocal": "scale",
    **{op: function for function, op in FUSED.items()},
}  # fmt: skip
ARITHMETIC = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div"}


@rule(*FUNCTIONS)
def activation(builder: Builder, node: Node) -> None:
    """An elementwise function; Clip from 0 to infinity is relu."""
    function = FUNCTIONS[node.op]
    if node.op == "Clip" and _is_relu(builder, node):
        function = "relu"
    view = builder.view(node)
    builder.views[node.outputs[0]] = builder.pointwise(Activation, node, view, function=function)


def _is_relu(builder: Builder, node: Node) -> bool:
    low, high = node.optional(1), node.optional(2)
    if low is None:
        return node.attribute("min") == 0.0 and node.attribute("max") is None
    value = builder.graph.constants.get(low)
    return high is None and value is not None and not np.any(value)


@rule("Pow")
def power(builder: Builder, node: Node) -> None:
    """A constant power: sqrt for 0.5, else one pointwise pass."""
    view = builder.view(node)
    exponent = builder.graph.constants.get(node.inputs[1])
    if not builder.is_constant(node.inputs[1]):
        raise builder.unsupported(node, "has an exponent that isn't constant")
    root = exponent is not None and bool(np.all(exponent == 0.5))
    builder.views[node.outputs[0]] = builder.pointwise(
        Activation, node, view, function="sqrt" if root else "scale"
    )


@rule("BatchNormalization")
def batch_norm(builder: Builder, node: Node) -> None:
    """Folded into the convolution or linear layer before it, else a norm of its own."""
    view = builder.view(node)
    name = node.inputs[0]
    draft = builder.drafts[view.draft] if view.draft >= 0 else None
    if draft and draft.layer.stationary and builder.is_sole(view, name):
        gamma, _, _, variance = (builder.vector(n) for n in node.inputs[1:5])
        if gamma is None or variance is None:
            draft.weight = None
        else:
            epsilon = float(node.attribute("epsilon", 1e-5))
            builder.scale_weight(draft, gamma / np.sqrt(variance + epsilon))
        draft.output = node.outputs[0]
        builder.views[node.outputs[0]] = View(
            view.record, view.rank, view.axes, node.outputs[0], view.draft, True
        )
        return
    if len(view.axes) > 2:
        view = builder.arrange(node, view, [i for i in range(len(view.axes)) if i != 1], [1])
    builder.views[node.outputs[0]] = builder.pointwise(
        Norm, node, view, function="batch", takes_affine=True
    )


@rule("LayerNormalization", FUSED_NORM)
def layer_norm(builder: Builder, node: Node) -> None:
    """Normalisation over some axes, which become the channels."""
    view = builder.view(node)
    rank = len(view.axes)
    axis = int(node.attribute("axis", -1)) % rank
    over = node.attribute("over", list(range(axis, rank)))
    view = builder.arrange(node, view, [i for i in range(rank) if i not in over], over)
    builder.views[node.outputs[0]] = builder.pointwise(
        Norm, node, view, function="layer", takes_affine=True
    )


@rule("Softmax")
def softmax(builder: Builder, node: Node) -> None:
    """Softmax over one axis; further channel axes (heads) are its groups.

    Before opset 13 softmax ran over all axes from `axis` on.
    """
    view = builder.view(node)
    rank = len(view.axes)
    old = builder.graph.opset < 13
    axis = int(node.attribute("axis", 1 if old else -1)) % rank
    over = [i for i in range(axis, rank if old else axis + 1) if view.axes[i]]
    heads = [
        i
        for i in range(rank)
        if i not in over and view.axes[i] and not any(f.is_position for f in view.axes[i])
    ]
    others = [i for i in range(rank) if i not in over and i not in heads]
    view = builder.arrange(node, view, others, [*heads, *over])
    groups = layout.size([f for i in heads for f in view.axes[i]])
    builder.views[node.outputs[0]] = builder.pointwise(Softmax, node, view, groups=groups)


@rule(*ARITHMETIC, "Sum")
def arithmetic(builder: Builder, node: Node) -> None:
    """Two activations: elementwise. With a constant: folded, else an activation `scale`."""
    constants = [i for i, name in enumerate(node.inputs) if builder.is_constant(name)]
    if constants and len(node.inputs) == 2:
        _with_constant(builder, node, 1 - constants[0], constants[0])
        return
    function = ARITHMETIC.get(node.op, "add")
    result = builder.view(node)
    for index in range(1, len(node.inputs)):
        result = _elementwise(builder, node, result, builder.view(node, index), function)
    builder.views[node.outputs[0]] = result


def _with_constant(builder: Builder, node: Node, active: int, fixed: int) -> None:
    view = builder.view(node, active)
    name, constant = node.inputs[active], node.inputs[fixed]
    output = builder.shape(node.outputs[0])
    if builder.shape(name) != output:
        view = _expanded(builder, node, view, output)
        made = builder.pointwise(Activation, node, view, function="scale")
    else:
        folded = builder.fold(node, view, name, constant, on_left=fixed == 0)
        made = folded or builder.pointwise(
            Activation, node, view, function="scale", takes_affine=True
        )
    builder.views[node.outputs[0]] = made


def _elementwise(builder: Builder, node: Node, left: View, right: View, function: str) -> View:
    output = tuple(int(n) for n in np.broadcast_shapes(left.shape, right.shape))
    left, right = _padded(left, len(output)), _padded(right, len(output))
    if left.shape != output and right.shape != output:
        left = _expanded(builder, node, left, output, right)
    large_is_left = left.shape == output
    large, small = (left, right) if large_is_left else (right, left)
    if not layout.aligned(large.axes, small.axes):
        same = small.shape == large.shape
        small = builder.move(
            node, [small], large.axes, large.rank, "transpose" if same else "resize",
            tensor=small.tensor,
        )  # fmt: skip
    pair = [large, small] if large_is_left else [small, large]
    return builder.emit(Elementwise, node, pair, large.axes, large.rank, function=function)


def _padded(view: View, rank: int) -> View:
    axes = ((),) * (rank - len(view.axes)) + view.axes
    return View(view.record, view.rank, axes, view.tensor, view.draft, view.sole)


def _expanded(
    builder: Builder, node: Node, view: View, shape: Dims, other: View | None = None
) -> View:
    """Repeat values along axes of size 1 (a move layer `resize`).

    A repeated axis takes the role it has in `other`, else that of a position (the last axis: of
    channels).
    """
    view = _padded(view, len(shape))
    last = len(shape) - 1

    def is_channel(axis: int) -> bool:
        known: Axis = view.axes[axis] or (other.axes[axis] if other else ())
        return not known[0].is_position if known else axis == last

    channels = [i for i in range(len(shape)) if is_channel(i)]
    positions = [i for i in range(len(shape)) if i not in channels and shape[i] > 1]
    axes, rank = layout.fresh(shape, positions, channels)
    return builder.move(node, [view], axes, rank, "resize", tensor=view.tensor)


@rule("Expand")
def expand(builder: Builder, node: Node) -> None:
    """Expand to a constant shape."""
    view, shape = builder.view(node), builder.shape(node.outputs[0])
    if view.shape == shape:
        made = builder.relabel(view, view.axes, node.inputs[0])
    else:
        made = _expanded(builder, node, view, shape)
    builder.views[node.outputs[0]] = made
