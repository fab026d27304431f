"""Which tensors the gradient of an operator needs from the forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from archsim.trace.layer import channels, positions
from archsim.trace.model import Trace
from archsim.trace.operators import (
    Activation,
    Elementwise,
    Layer,
    MatMul,
    Norm,
    Pool,
    Recurrent,
    Reduce,
)

FROM_SIGN: Final = {"relu", "clip", "leaky_relu", "hardsigmoid"}  # derivative takes two values
FROM_OUTPUT: Final = {"sigmoid", "tanh", "exp", "sqrt"}
LINEAR: Final = {"scale", "rotary"}


@dataclass(frozen=True)
class Need:
    """A tensor (or what is left of it) that a backward pass reads, for one inference.

    kind: `value` the tensor itself; `sign` one bit per element, which the value holds too;
    `index` where a maximum came from; `statistic` a norm's scale per position.
    """

    tensor: str
    kind: Literal["value", "sign", "index", "statistic"]
    elements: int
    reason: str
    index_bits: int = 0


def input_gradient_needs(
    trace: Trace, layer: Layer, wanted: Callable[[str], bool], relu_mask: bool
) -> Iterator[Need]:
    """What the gradients of a layer's inputs need; `wanted(name)`: a gradient goes to that input.

    relu_mask: keep one bit per element for functions whose derivative takes two values, rather
    than their output.
    """
    shapes = trace.shapes

    def value(tensor: str, reason: str) -> Need:
        return Need(tensor, "value", math.prod(shapes[tensor]), reason)

    if isinstance(layer, MatMul):
        first, second = layer.inputs
        if wanted(first):
            yield value(second, "other operand of a product")
        if wanted(second):
            yield value(first, "other operand of a product")
    elif isinstance(layer, Elementwise):
        first, second = layer.inputs
        if layer.function in ("mul", "div") and wanted(first):
            yield value(second, f"other operand of {layer.function}")
        if layer.function in ("mul", "div") and wanted(second):
            yield value(first, f"other operand of {layer.function}")
            if layer.function == "div":
                yield value(second, "divisor")
    elif isinstance(layer, Activation):
        if layer.function in FROM_SIGN and relu_mask:
            made = math.prod(shapes[layer.name])
            yield Need(layer.name, "sign", made, f"derivative of {layer.function}")
        elif layer.function in FROM_SIGN | FROM_OUTPUT:
            yield value(layer.name, f"derivative of {layer.function}, from its output")
        elif layer.function not in LINEAR:
            yield value(layer.inputs[0], f"derivative of {layer.function}, from its input")
    elif layer.op == "softmax":
        yield value(layer.name, "derivative of softmax, from its output")
    elif isinstance(layer, Norm) and layer.function != "batch":
        yield from norm_needs(trace, layer)
    elif isinstance(layer, Recurrent):
        yield from recurrent_needs(trace, layer)
    elif layer.op == "unknown":
        for name in layer.inputs:
            yield value(name, "derivative of an unknown operator: all that it reads")
    elif (isinstance(layer, Pool) and layer.function == "max") or (
        isinstance(layer, Reduce) and layer.function == "max"
    ):
        source = shapes[layer.inputs[0]]
        window = math.prod(layer.kernel) if isinstance(layer, Pool) else positions(source)
        bits = max(1, (window - 1).bit_length())
        yield Need(layer.name, "index", math.prod(shapes[layer.name]), "place of a maximum", bits)


def weight_gradient_needs(trace: Trace, layer: Layer) -> Iterator[Need]:
    """What the gradient of a layer's own weights needs: its input, for most."""
    if isinstance(layer, Norm) and layer.function != "batch":
        yield from norm_needs(trace, layer)
    elif isinstance(layer, Recurrent):
        yield from recurrent_needs(trace, layer)
    else:
        tensor = layer.inputs[0]
        elements = math.prod(trace.shapes[tensor])
        yield Need(tensor, "value", elements, "weight gradient")


def norm_needs(trace: Trace, layer: Layer) -> Iterator[Need]:
    """The normalised output, and the scale that each position was divided by."""
    shape = trace.shapes[layer.name]
    yield Need(layer.name, "value", math.prod(shape), "derivative of a norm, from its output")
    yield Need(layer.name, "statistic", positions(shape), "scale of a norm")


def recurrent_needs(trace: Trace, layer: Recurrent) -> Iterator[Need]:
    """Input, states and gates of all positions: back-propagation through time."""
    shape = trace.shapes[layer.name]
    tensor = layer.inputs[0]
    yield Need(tensor, "value", math.prod(trace.shapes[tensor]), "weight gradient")
    yield Need(layer.name, "value", math.prod(shape), "states of a recurrent layer")
    gates = positions(shape) * layer.columns
    yield Need(f"{layer.name}.gates", "value", gates, "gates of a recurrent layer")


def trained_values(trace: Trace, layer: Layer) -> int:
    """Values that training a layer changes: its weights, or the gains and shifts of a norm."""
    if isinstance(layer, Norm):
        width = channels(trace.shapes[layer.name])
        return width if layer.function == "rms" else 2 * width
    return layer.parameters()
