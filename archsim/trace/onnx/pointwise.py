"""Rules for operators that keep the shape: functions, softmax, arithmetic, comparisons."""

from __future__ import annotations

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.folding import elements, fold, learnt
from archsim.trace.onnx.graph import Dims, Node
from archsim.trace.onnx.layout import Axis, View
from archsim.trace.onnx.masks import HIDDEN, shown, take_mask
from archsim.trace.onnx.patterns import FUSED
from archsim.trace.onnx.registry import rule
from archsim.trace.operators import Activation, Elementwise, Softmax

FUNCTIONS = {
    "Relu": "relu", "Clip": "clip", "ThresholdedRelu": "clip", "LeakyRelu": "leaky_relu",
    "PRelu": "leaky_relu", "Elu": "elu", "Selu": "elu", "Celu": "elu", "Sigmoid": "sigmoid",
    "HardSigmoid": "hardsigmoid", "HardSwish": "hardswish", "Tanh": "tanh", "Gelu": "gelu",
    "Swish": "silu", "QuickGelu": "silu", "Mish": "mish", "Softplus": "softplus",
    "Erf": "erf", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Rsqrt": "sqrt", "Sin": "sin",
    "Cos": "cos", "Abs": "abs", "Neg": "scale", "Reciprocal": "scale", "Floor": "round",
    "Ceil": "round", "Round": "round", "Sign": "compare", "Not": "compare", "IsNaN": "compare",
    "IsInf": "compare",
    **{op: function for function, op in FUSED.items()},
}  # fmt: skip
# The function of two activations, and that of one where the other operand is a constant.
ARITHMETIC = {
    "Add": ("add", "scale"), "Sub": ("sub", "scale"), "Mul": ("mul", "scale"),
    "Div": ("div", "scale"), "Sum": ("add", "scale"), "Mean": ("add", "scale"),
    "Mod": ("div", "scale"), "Max": ("max", "clip"), "Min": ("min", "clip"),
    "Equal": ("compare", "compare"), "Greater": ("compare", "compare"),
    "Less": ("compare", "compare"), "GreaterOrEqual": ("compare", "compare"),
    "LessOrEqual": ("compare", "compare"), "And": ("logic", "compare"), "Or": ("logic", "compare"),
    "Xor": ("logic", "compare"),
}  # fmt: skip
AFFINE = ("Add", "Sub", "Mul", "Div")


@rule(*FUNCTIONS)
def activation(builder: Builder, node: Node) -> None:
    """An elementwise function; Clip from 0 to infinity is relu."""
    function = FUNCTIONS[node.op]
    if node.op == "Clip" and _is_relu(builder, node):
        function = "relu"
    slopes = elements(builder, node.optional(1)) if node.op == "PRelu" else 0
    builder.views[node.outputs[0]] = builder.pointwise(
        Activation, node, builder.view(node), function=function, biases=slopes
    )


def _is_relu(builder: Builder, node: Node) -> bool:
    low, high = node.optional(1), node.optional(2)
    if low is None:
        return node.attribute("min") == 0.0 and node.attribute("max") is None
    value = builder.graph.constants.get(low)
    return high is None and value is not None and not np.any(value)


@rule("Pow")
def power(builder: Builder, node: Node) -> None:
    """A constant power: sqrt for 0.5, a multiply for 2; of two activations: elementwise."""
    base, exponent = node.inputs[:2]
    if not builder.is_constant(exponent):
        if builder.is_constant(base):
            made = builder.pointwise(Activation, node, builder.view(node, 1), function="exp")
        else:
            made = _elementwise(builder, node, builder.view(node), builder.view(node, 1), "power")
        builder.views[node.outputs[0]] = made
        return
    value = builder.graph.constants[exponent]
    function = "power"
    for known, name in ((0.5, "sqrt"), (2.0, "scale"), (1.0, "scale"), (-1.0, "scale")):
        if value is not None and bool(np.all(value == known)):
            function = name
    builder.views[node.outputs[0]] = builder.pointwise(
        Activation, node, builder.view(node), function=function
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


@rule(*ARITHMETIC)
def arithmetic(builder: Builder, node: Node) -> None:
    """Two activations: elementwise. With a constant: folded, else a function of one input."""
    binary, unary = ARITHMETIC[node.op]
    constants = [i for i, name in enumerate(node.inputs) if builder.is_constant(name)]
    active = [i for i in range(len(node.inputs)) if i not in constants]
    result = builder.view(node, active[0])
    if len(active) == 1 and len(constants) == 1:
        builder.views[node.outputs[0]] = _with_constant(
            builder, node, active[0], constants[0], unary
        )
        return
    for index in active[1:]:
        result = _elementwise(builder, node, result, builder.view(node, index), binary)
    for _ in constants:
        result = _expanded(builder, node, result, builder.shape(node.outputs[0]))
        result = builder.pointwise(Activation, node, result, function=unary)
    builder.views[node.outputs[0]] = result


def _with_constant(builder: Builder, node: Node, active: int, fixed: int, function: str) -> View:
    view = builder.view(node, active)
    name, constant = node.inputs[active], node.inputs[fixed]
    seen = shown(builder.graph.constants[constant]) if node.op == "Add" else None
    if seen is not None and take_mask(builder, node, view, seen):
        return builder.views[node.outputs[0]]
    output = builder.shape(node.outputs[0])
    if builder.shape(name) != output:
        view = _expanded(builder, node, view, output)
        return builder.pointwise(Activation, node, view, function=function)
    affine = node.op in AFFINE
    folded = fold(builder, node, view, name, constant, on_left=fixed == 0) if affine else None
    if node.op == "Max" and (value := builder.graph.constants[constant]) is not None:
        function = function if np.any(value) else "relu"
    return folded or builder.pointwise(
        Activation, node, view, function=function, takes_affine=affine,
        biases=learnt(builder, constant) if affine else 0,
    )  # fmt: skip


@rule("Where")
def where(builder: Builder, node: Node) -> None:
    """A choice: a `where` for each activation in it; between two constants a scale of the mask."""
    views = [builder.views[name] for name in node.inputs if not builder.is_constant(name)]
    output = builder.shape(node.outputs[0])
    if len(views) == 1 and _masked_choice(builder, node, views[0]):
        return
    if len(views) > 1:
        made = views[0]
        for view in views[1:]:
            made = _elementwise(builder, node, made, view, "where")
        made = _expanded(builder, node, made, output)
    else:
        choice = builder.is_constant(node.inputs[1]) and builder.is_constant(node.inputs[2])
        view = _expanded(builder, node, views[0], output)
        made = builder.pointwise(Activation, node, view, function="scale" if choice else "compare")
    builder.views[node.outputs[0]] = made


def _masked_choice(builder: Builder, node: Node, view: View) -> bool:
    """A choice between scores and a large negative number, by a constant: a mask."""
    condition, *branches = (builder.graph.constants.get(name) for name in node.inputs)
    if condition is None or condition.ndim < 2 or view.shape != builder.shape(node.outputs[0]):
        return False
    hidden = [b for b in branches if b is not None and b.size and (b < HIDDEN).all()]
    if len(hidden) != 1:
        return False
    seen = condition if branches[1] is hidden[0] else ~condition.astype(bool)
    return take_mask(builder, node, view, np.asarray(seen, bool))


@rule("RotaryEmbedding")
def rotary(builder: Builder, node: Node) -> None:
    """Pairs of channels turned by their position; the tables of angles are not learnt."""
    builder.views[node.outputs[0]] = builder.pointwise(
        Activation, node, builder.view(node), function="rotary"
    )


def _elementwise(builder: Builder, node: Node, left: View, right: View, function: str) -> View:
    """Two activations of shapes that broadcast, laid out as the larger of them."""
    output = tuple(int(n) for n in np.broadcast_shapes(left.shape, right.shape))
    left, right = _padded(left, len(output)), _padded(right, len(output))
    if left.shape != output and right.shape != output:
        left = _expanded(builder, node, left, output, right)
    large_is_left = left.shape == output
    large, small = (left, right) if large_is_left else (right, left)
    if not layout.aligned(large.axes, small.axes):
        moved = "transpose" if small.shape == large.shape else "resize"
        small = builder.move(node, [small], large.axes, large.rank, moved, tensor=small.tensor)
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
    if view.shape == shape:
        return view
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
        builder.views[node.outputs[0]] = builder.relabel(view, view.axes, node)
    else:
        builder.views[node.outputs[0]] = _expanded(builder, node, view, shape)
