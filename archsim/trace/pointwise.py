"""Operators on each position alone: softmax, norm, activation, elementwise."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from archsim.schema.ranges import Size
from archsim.trace import window
from archsim.trace.layer import LayerBase, ShapeError, TensorShape, channels, positions
from archsim.trace.window import Reach


class Pointwise(LayerBase):
    """One input, same shape out, each position alone."""

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        return inputs[0]

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))


class Softmax(Pointwise):
    """Softmax over each of `groups` equal parts (heads) of every position's channels."""

    op: Literal["softmax"]
    groups: Size = 1


class Norm(Pointwise):
    """Normalisation of each position: by stored statistics (batch) or by its own (layer, rms).

    `local` divides by a power of the sum of squares over `size` neighbouring channels (local
    response normalisation). `group` takes the statistics over all positions and each of `groups`
    parts of the channels (as many groups as channels: instance normalisation), so that it waits
    for its whole input.
    """

    op: Literal["norm"]
    function: Literal["layer", "rms", "batch", "local", "group"] = "layer"
    groups: Size = 1
    size: Size = 1

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        if channels(inputs[0]) % self.groups:
            raise ShapeError(
                f"groups ({self.groups}) must divide its {channels(inputs[0])} channels"
            )
        return inputs[0]

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        if self.function == "group":
            return window.everything(positions(inputs[0]), positions(output))
        return window.one_to_one(positions(output))


class Activation(Pointwise):
    """A function of one input, elementwise; `rotary` turns pairs of channels by their position.

    `compare` is a comparison with a constant, a sign or a logical not; `power` a constant power.
    """

    op: Literal["activation"]
    function: Literal[
        "relu", "clip", "sigmoid", "tanh", "gelu", "silu", "hardswish", "hardsigmoid",
        "leaky_relu", "exp", "sqrt", "erf", "scale", "rotary",
        "elu", "softplus", "mish", "log", "sin", "cos", "power", "abs", "round", "compare",
    ]  # fmt: skip


class Elementwise(LayerBase):
    """A function of two inputs; an input of one position or one channel is broadcast.

    `where` keeps an element of one input or puts another in its place, as the other input says.
    `compare` and `logic` stand for every comparison and logical function.
    """

    op: Literal["elementwise"]
    function: Literal[
        "add", "sub", "mul", "div", "max", "min", "power", "compare", "logic", "where"
    ]  # fmt: skip
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        large, small = sorted(inputs, key=math.prod, reverse=True)
        fits = positions(small) in (1, positions(large)) and channels(small) in (
            1,
            channels(large),
        )
        if not fits:
            raise ShapeError(
                f"its inputs have shapes {list(inputs[0])} and {list(inputs[1])}, "
                "which neither agree nor broadcast"
            )
        return large

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        if positions(inputs[which]) == 1:
            return window.everything(1, positions(output))
        return window.one_to_one(positions(output))
