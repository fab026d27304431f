"""The operators a trace may hold. A new operator is one class here and its lowering in mapping."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from archsim.trace import window
from archsim.trace.layer import LayerBase, Shape, ShapeError, TensorShape, channels, positions
from archsim.trace.window import Reach

Pair = tuple[PositiveInt, PositiveInt]
Padding = Annotated[
    tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt],
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
    """Convolution; `groups` equal to the channels makes it depthwise."""

    op: Literal["conv2d"]
    in_channels: PositiveInt
    out_channels: PositiveInt
    groups: PositiveInt = 1
    stationary: ClassVar[bool] = True

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        found = channels(inputs[0])
        if found != self.in_channels:
            raise ShapeError(f"expects {self.in_channels} channels, its input has {found}")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(f"groups ({self.groups}) must divide in_channels and out_channels")
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
        return self.rows * self.out_channels


class Linear(LayerBase):
    """A fully connected layer, applied to every position (token) alone."""

    op: Literal["linear"]
    in_features: PositiveInt
    out_features: PositiveInt
    stationary: ClassVar[bool] = True
    groups: ClassVar[int] = 1

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        found = channels(inputs[0])
        if found != self.in_features:
            raise ShapeError(f"expects {self.in_features} features, its input has {found}")
        return (*inputs[0][:-1], self.out_features)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))

    @property
    def rows(self) -> int:
        return self.in_features

    @property
    def columns(self) -> int:
        return self.out_features

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        return positions(output) * self.in_features * self.out_features

    def parameters(self) -> int:
        return self.in_features * self.out_features


class MatMul(LayerBase):
    """A product of two activations: attention scores and context.

    inputs[0] streams by rows (one position at a time); inputs[1] must be there whole (or, causal,
    up to the row's own position). Each of `heads` heads multiplies a row of k by a k x n matrix.
    Output channels: heads * n. `kv_heads` below `heads` is grouped-query attention.
    """

    op: Literal["matmul"]
    heads: PositiveInt = 1
    kv_heads: PositiveInt | None = None
    k: PositiveInt
    n: PositiveInt
    transposed: Annotated[
        bool, Field(description="True: n runs over the positions of inputs[1] (Q K^T)")
    ]
    causal: bool = False
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        rows, operand = inputs
        shared = self.kv_heads or self.heads
        if self.heads % shared:
            raise ShapeError(f"kv_heads ({shared}) must divide heads ({self.heads})")
        if channels(rows) != self.heads * self.k:
            raise ShapeError(
                f"expects {self.heads} x {self.k} channels in its first input, "
                f"which has {channels(rows)}"
            )
        inner, outer = (self.n, self.k) if self.transposed else (self.k, self.n)
        if (positions(operand), channels(operand)) != (inner, shared * outer):
            raise ShapeError(
                f"expects {inner} positions of {shared} x {outer} channels in its second input, "
                f"which has shape {list(operand)}"
            )
        return (*rows[:-1], self.heads * self.n)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        if which == 0:
            return window.one_to_one(positions(output))
        span = window.causal if self.causal else window.everything
        return span(positions(inputs[1]), positions(output))

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        return positions(output) * self.heads * self.k * self.n


class Pointwise(LayerBase):
    """One input, same shape out, each position alone."""

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        return inputs[0]

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))


class Softmax(Pointwise):
    """Softmax over each of `groups` equal parts (heads) of every position's channels."""

    op: Literal["softmax"]
    groups: PositiveInt = 1


class Norm(Pointwise):
    """Normalisation with running (batch) or per-position (layer, rms) statistics."""

    op: Literal["norm"]
    function: Literal["layer", "rms", "batch"] = "layer"


class Activation(Pointwise):
    """An elementwise function of one input."""

    op: Literal["activation"]
    function: Literal[
        "relu", "clip", "sigmoid", "tanh", "gelu", "silu", "hardswish", "hardsigmoid",
        "leaky_relu", "exp", "sqrt", "erf", "scale",
    ]  # fmt: skip


class Elementwise(LayerBase):
    """A function of two inputs; an input of one position or one channel is broadcast."""

    op: Literal["elementwise"]
    function: Literal["add", "sub", "mul", "div"]
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


class Pool(Windowed):
    """Max or average pooling; a kernel as large as the input is global pooling."""

    op: Literal["pool"]
    function: Literal["max", "avg"]

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        height, width = self.window_size(inputs[0])
        return height, width, channels(inputs[0])


class Reduce(LayerBase):
    """The mean, sum or maximum over all positions (sentence pooling)."""

    op: Literal["reduce"]
    function: Literal["mean", "sum", "max"]

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        return (channels(inputs[0]),)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.everything(positions(inputs[0]), 1)


class Embedding(LayerBase):
    """A table look-up: one row of `features` elements per position."""

    op: Literal["embedding"]
    rows: PositiveInt
    features: PositiveInt

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        return (*inputs[0][:-1], self.features)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))

    def parameters(self) -> int:
        return self.rows * self.features


class Move(LayerBase):
    """Data that changes place, not value: concat, slice, transpose, resize, pad.

    `shape` is required. With as many positions out as in, position n needs position n; a slice of
    consecutive positions says where it starts; otherwise an output position waits for the whole
    input.
    """

    op: Literal["move"]
    function: Literal["reshape", "transpose", "concat", "slice", "resize", "pad"]
    shape: Shape
    start: Annotated[
        NonNegativeInt | None, Field(description="slice: first input position that is kept")
    ] = None
    arity: ClassVar[tuple[int, int]] = (1, 64)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        before = sum(math.prod(shape) for shape in inputs)
        after = math.prod(self.shape)
        if self.function in ("reshape", "transpose", "concat") and before != after:
            raise ShapeError(
                f"{self.function} turns {before} elements into {after} (shape {list(self.shape)})"
            )
        if self.start is not None and (
            self.function != "slice"
            or self.start + math.prod(self.shape[:-1]) > positions(inputs[0])
        ):
            raise ShapeError(
                f"start {self.start} with shape {list(self.shape)} does not lie in its input "
                f"of shape {list(inputs[0])}"
            )
        return tuple(self.shape)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        if positions(inputs[which]) == positions(output) and self.function != "transpose":
            return window.one_to_one(positions(output))
        if self.start is not None:
            index = np.arange(positions(output), dtype=np.int64) + self.start
            return Reach(first=index, last=index)
        return window.everything(positions(inputs[which]), positions(output))


Layer = Annotated[
    Conv2d | Linear | MatMul | Softmax | Norm | Activation | Elementwise | Pool | Reduce
    | Embedding | Move,
    Field(discriminator="op"),
]  # fmt: skip
