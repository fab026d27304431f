"""Operators that only a training step has: stored activations and weight gradients."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.schema.ranges import Size
from archsim.trace import window
from archsim.trace.convolution import Padding, Pair
from archsim.trace.layer import LayerBase, ShapeError, TensorShape, channels, positions
from archsim.trace.window import Reach


class Stored(LayerBase):
    """A tensor put away in memory outside the chip until the backward pass reads it again."""

    op: Literal["stored"]

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        return inputs[0]

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))


class OuterProduct(LayerBase):
    """The gradient of a layer's weights: the sum over positions of input times output gradient.

    inputs: the layer's input and the gradient of its output. The sums stay where they are added
    up; the output is one value per position, which tells that the position has been added. With a
    `kernel` the input is the window of a convolution.
    """

    op: Literal["outer_product"]
    rows: Annotated[Size, Field(description="elements of the input per group")]
    columns: Annotated[Size, Field(description="elements of the gradient per group")]
    groups: Size = 1
    kernel: Pair | None = None
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        taps = self.kernel[0] * self.kernel[1] if self.kernel else 1
        wanted = self.rows * self.groups, self.columns * self.groups
        found = channels(inputs[0]) * taps, channels(inputs[1])
        if found != wanted:
            raise ShapeError(f"expects inputs of {wanted} elements per position, has {found}")
        return (*inputs[1][:-1], 1)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        if which == 1 or self.kernel is None:
            return window.one_to_one(positions(output))
        return window.sliding_window(
            (inputs[0][0], inputs[0][1]),
            (output[0], output[1]),
            self.kernel,
            self.stride,
            (self.padding[0], self.padding[1]),
            self.dilation,
        )

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        return positions(output) * self.rows * self.columns * self.groups
