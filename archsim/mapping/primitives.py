"""What a digital unit has to do for one output position of each operator."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.trace import operators as op
from archsim.trace.layer import LayerBase, TensorShape, channels, positions

Primitives = Mapping[str, float]

ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "relu": ("compare",),
    "clip": ("compare",),
    "leaky_relu": ("compare", "multiply"),
    "sigmoid": ("nonlinear",),
    "tanh": ("nonlinear",),
    "exp": ("nonlinear",),
    "sqrt": ("nonlinear",),
    "erf": ("nonlinear",),
    "gelu": ("nonlinear", "multiply"),
    "silu": ("nonlinear", "multiply"),
    "hardsigmoid": ("mac", "compare"),
    "hardswish": ("mac", "compare", "multiply"),
    "scale": ("multiply",),
}
ELEMENTWISE = {"add": "add", "sub": "add", "mul": "multiply", "div": "divide"}


def primitives(layer: LayerBase, inputs: list[TensorShape], output: TensorShape) -> Primitives:
    """Primitive operations per output position; empty for a pure move.

    softmax over D channels in g groups: D max, D subtract, D exp, D add, D multiply by the
    reciprocal, g divide. Layer norm: D add (mean), D subtract, D mac (variance), D multiply,
    D mac (gain and bias), one 1/sqrt. The division of an average by a constant is folded into the
    scale of what follows, so pooling is adds alone.
    """
    width = channels(output)
    if isinstance(layer, op.MatMul):
        return {"mac": layer.heads * layer.k * layer.n}
    if isinstance(layer, op.Softmax):
        return {
            "max": width,
            "add": 2 * width,
            "nonlinear": width,
            "multiply": width,
            "divide": layer.groups,
        }
    if isinstance(layer, op.Norm):
        if layer.function == "batch":
            return {"mac": width}
        adds = {"layer": 2 * width, "rms": 0}[layer.function]
        return {"add": adds, "mac": 2 * width, "multiply": width, "nonlinear": 1}
    if isinstance(layer, op.Activation):
        return dict.fromkeys(ACTIVATIONS[layer.function], width)
    if isinstance(layer, op.Elementwise):
        return {ELEMENTWISE[layer.function]: width}
    if isinstance(layer, op.Pool):
        window = layer.kernel[0] * layer.kernel[1]
        return {"max" if layer.function == "max" else "add": width * window}
    if isinstance(layer, op.Reduce):
        kind = "max" if layer.function == "max" else "add"
        return {kind: positions(inputs[0]) * width}
    return {}


def elements_read(
    layer: LayerBase, which: int, inputs: list[TensorShape], output: TensorShape
) -> int:
    """Elements of input `which` that one output position reads from the buffer."""
    shape = inputs[which]
    if isinstance(layer, op.Conv2d):
        return layer.rows * layer.groups
    if isinstance(layer, op.MatMul) and which == 1:
        return positions(shape) * channels(shape)
    if isinstance(layer, op.Pool):
        return layer.kernel[0] * layer.kernel[1] * channels(shape)
    if isinstance(layer, op.Reduce):
        return positions(shape) * channels(shape)
    if isinstance(layer, op.Move):
        return min(channels(output), positions(shape) * channels(shape))
    return channels(shape)
