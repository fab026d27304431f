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
    "rotary": ("multiply", "mac"),
    "elu": ("nonlinear", "compare"),
    "softplus": ("nonlinear",),
    "mish": ("nonlinear", "multiply"),
    "log": ("nonlinear",),
    "sin": ("nonlinear",),
    "cos": ("nonlinear",),
    "power": ("nonlinear",),
    "abs": ("compare",),
    "round": ("compare",),
    "compare": ("compare",),
}
ELEMENTWISE = {
    "add": "add", "sub": "add", "mul": "multiply", "div": "divide", "max": "max", "min": "max",
    "power": "nonlinear", "compare": "compare", "logic": "compare", "where": "compare",
}  # fmt: skip


def primitives(layer: LayerBase, inputs: list[TensorShape], output: TensorShape) -> Primitives:
    """Primitive operations per output position; empty for a pure move.

    softmax over D channels in g groups: D max, D subtract, D exp, D add, D multiply by the
    reciprocal, g divide. Layer norm: D add (mean), D subtract, D mac (variance), D multiply,
    D mac (gain and bias), one 1/sqrt; a group norm has the roots of its groups once per inference.
    Local response norm: D squares, size - 1 adds each, D mac, D power, D multiply. An unknown
    operator counts one multiply per element. The division of an average by a constant is folded
    into the scale of what follows, so pooling is adds alone.
    """
    width = channels(output)
    if isinstance(layer, op.MatMul):
        return {"mac": layer.heads * layer.k * layer.n}
    if isinstance(layer, op.Recurrent):
        return _gates(layer)
    if isinstance(layer, op.OuterProduct):
        return {"mac": layer.rows * layer.columns * layer.groups}
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
        if layer.function == "local":
            return {"multiply": 2 * width, "add": (layer.size - 1) * width, "mac": width,
                    "nonlinear": width}  # fmt: skip
        if layer.function == "group":
            roots = -(-layer.groups // positions(output))
            return {"add": 2 * width, "mac": 2 * width, "multiply": width, "nonlinear": roots}
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
    if isinstance(layer, op.Scatter):
        kind = "max" if layer.function == "max" else "add"
        return {kind: layer.vectors * width / positions(output)}  # on average
    if isinstance(layer, op.Fold):
        return {"add": layer.overlap * width}
    if isinstance(layer, op.Unknown):
        return {"multiply": width}
    return {}


def _gates(layer: op.Recurrent) -> Primitives:
    """What follows the products of a recurrent step, for H hidden values.

    LSTM: 3 sigmoid and 2 tanh; f*c, i*g, o*tanh(c) and one sum. GRU: 2 sigmoid and a tanh; r*h,
    z*n, (1-z)*h and two sums. RNN: one tanh.
    """
    hidden = layer.hidden
    if layer.cell == "rnn":
        return {"nonlinear": hidden}
    if layer.cell == "gru":
        return {"nonlinear": 3 * hidden, "multiply": 3 * hidden, "add": 2 * hidden}
    return {"nonlinear": 5 * hidden, "multiply": 3 * hidden, "add": hidden}


def elements_read(
    layer: LayerBase, which: int, inputs: list[TensorShape], output: TensorShape
) -> int:
    """Elements of input `which` that one output position reads from the buffer."""
    shape = inputs[which]
    if isinstance(layer, op.Conv2d):
        return layer.rows * layer.groups
    if isinstance(layer, op.OuterProduct):
        return (layer.columns if which else layer.rows) * layer.groups
    if isinstance(layer, op.MatMul) and which == 1:
        return positions(shape) * channels(shape) // layer.sequences
    if isinstance(layer, op.Pool):
        return layer.kernel[0] * layer.kernel[1] * channels(shape)
    if isinstance(layer, op.Reduce):
        return positions(shape) * channels(shape)
    if isinstance(layer, op.Scatter):
        return -(-len(layer.index[which]) * channels(shape) // positions(output))
    if isinstance(layer, op.Fold):
        return layer.overlap * channels(output)
    if isinstance(layer, op.Norm) and layer.function == "group":
        return 2 * channels(shape)  # once for the statistics, once to apply them
    if isinstance(layer, op.Unknown):
        return -(-positions(shape) * channels(shape) // positions(output))
    if isinstance(layer, op.Move):
        return min(channels(output), positions(shape) * channels(shape))
    return channels(shape)
