"""Operators with a window that slides over a feature map: convolution and pooling."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.schema.ranges import Size, Whole
from archsim.trace import window
from archsim.trace.layer import (
    Circulant,
    LayerBase,
    ShapeError,
    TensorShape,
    channels,
    check_circulant,
    positions,
)
from archsim.trace.window import Reach

Pair = tuple[Size, Size]
Padding = Annotated[
    tuple[Whole, Whole, Whole, Whole],
    Field(description="top, left, bottom, right, in positions"),
]


def _feature_map(shape: TensorShape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ShapeError(f"needs a feature map (H, W, C), its input has shape {list(shape)}")
    return shape[0], shape[1], shape[2]


class Windowed(LayerBase):
    """A window that slides over a feature map."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    def window_size(self, shape: TensorShape) -> tuple[int, int]:
        """Height and width of the output."""
        height, width, _ = _feature_map(shape)
        size = []
        for axis, extent in enumerate((height, width)):
            covered = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            room = extent + self.padding[axis] + self.padding[axis + 2] - covered
            if room < 0:
                raise ShapeError(
                    f"window of {covered} is larger than the padded input of "
                    f"{room + covered} along axis {axis}"
                )
            steps = -(-room // self.stride[axis]) if self.ceil_mode else room // self.stride[axis]
            size.append(steps + 1)
        return size[0], size[1]

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        height, width, _ = _feature_map(inputs[0])
        return window.sliding_window(
            (height, width),
            (output[0], output[1]),
            self.kernel,
            self.stride,
            (self.padding[0], self.padding[1]),
            self.dilation,
        )


class Conv2d(Windowed):
    """Convolution; `groups` equal to the channels makes it depthwise.

    With `circulant` blocks of channels at every place of the kernel, as in a linear layer.
    """

    op: Literal["conv2d"]
    in_channels: Size
    out_channels: Size
    groups: Size = 1
    circulant: Circulant = 1
    stationary: ClassVar[bool] = True

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        found = channels(inputs[0])
        if found != self.in_channels:
            raise ShapeError(f"expects {self.in_channels} channels, its input has {found}")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(f"groups ({self.groups}) must divide in_channels and out_channels")
        check_circulant(self.circulant, self.in_channels, self.out_channels, self.groups)
        height, width = self.window_size(inputs[0])
        return height, width, self.out_channels

    @property
    def rows(self) -> int:
        """Weights per output channel: the length of an im2col vector of one group."""
        return self.kernel[0] * self.kernel[1] * self.in_channels // self.groups

    @property
    def columns(self) -> int:
        """Output channels of one group."""
        return self.out_channels // self.groups

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        return positions(output) * self.rows * self.out_channels

    def parameters(self) -> int:
        return self.rows * self.out_channels // self.circulant


class Pool(Windowed):
    """Max or average pooling; a kernel as large as the input is global pooling."""

    op: Literal["pool"]
    function: Literal["max", "avg"]

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        height, width = self.window_size(inputs[0])
        return height, width, channels(inputs[0])
