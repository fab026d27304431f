"""Operators that look up, gather or move vectors: embedding, reduction, moves."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from archsim.schema.ranges import Size, Whole
from archsim.trace import window
from archsim.trace.convolution import Padding, Pair
from archsim.trace.layer import LayerBase, Shape, ShapeError, TensorShape, channels, positions
from archsim.trace.window import Reach


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
    rows: Size
    features: Size

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        return (*inputs[0][:-1], self.features)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))

    def parameters(self) -> int:
        return self.rows * self.features


class Move(LayerBase):
    """Data that changes place, not value: concat, slice, transpose, flip, resize, pad.

    `shape` is required. With as many positions out as in, position n needs position n; a slice of
    consecutive positions says where it starts; a resized map needs the rows and columns around the
    same place (up to four taps, as cubic interpolation does); a gather lists the position that each
    output position copies; otherwise an output position waits for the whole input.
    """

    op: Literal["move"]
    function: Literal["reshape", "transpose", "flip", "concat", "slice", "resize", "pad", "gather"]
    shape: Shape
    start: Annotated[
        Whole | None, Field(description="slice: first input position that is kept")
    ] = None
    index: Annotated[
        list[Whole] | None,
        Field(description="gather: the input position behind each output position"),
    ] = None
    arity: ClassVar[tuple[int, int]] = (1, 256)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        if (self.index is not None) != (self.function == "gather"):
            raise ShapeError("a gather, and nothing else, has an index")
        if self.index is not None:
            check_index(self.index, positions(tuple(self.shape)), positions(inputs[0]))
            if channels(inputs[0]) != self.shape[-1]:
                raise ShapeError(f"gathers whole vectors, of {channels(inputs[0])} channels")
        before = sum(math.prod(shape) for shape in inputs)
        after = math.prod(self.shape)
        if self.function in ("reshape", "transpose", "flip", "concat") and before != after:
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
        if (
            self.function == "concat"
            and len(output) > 1
            and all(len(i) == len(output) and i[1:] == output[1:] for i in inputs)
        ):  # along the positions
            before = sum(positions(i) for i in inputs[:which])
            count = positions(inputs[which])
            index = np.arange(positions(output), dtype=np.int64) - before
            return Reach(first=np.clip(index, 0, count - 1), last=np.clip(index, -1, count - 1))
        if self.index is not None:
            found = np.array(self.index, np.int64)
            return window.monotone(found, found)
        if positions(inputs[which]) == positions(output) and self.function not in (
            "transpose",
            "flip",
        ):
            return window.one_to_one(positions(output))
        if self.start is not None:
            index = np.arange(positions(output), dtype=np.int64) + self.start
            return Reach(first=index, last=index)
        if self.function == "resize" and len(inputs[0]) == len(output) == 3:
            return _scaled(inputs[0], output)
        return window.everything(positions(inputs[which]), positions(output))


class Scatter(LayerBase):
    """Vectors brought to the positions where they belong, and summed where several meet.

    The results of experts, the messages along a graph's edges, the rows of an embedding bag.
    index: for each input, the output position of each of its positions. A position that none
    reaches is zero.
    """

    op: Literal["scatter"]
    function: Literal["sum", "mean", "max"] = "sum"
    index: Annotated[list[list[Whole]], Field(min_length=1)]
    shape: Shape
    arity: ClassVar[tuple[int, int]] = (1, 256)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        if len(self.index) != len(inputs):
            raise ShapeError(f"has {len(self.index)} lists of positions for {len(inputs)} inputs")
        for index, shape in zip(self.index, inputs, strict=True):
            check_index(index, positions(shape), positions(tuple(self.shape)))
            if channels(shape) != self.shape[-1]:
                raise ShapeError(
                    f"brings vectors of {channels(shape)} channels, not of its shape's"
                )
        return tuple(self.shape)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        to = np.array(self.index[which], np.int64)
        first = np.full(positions(output), len(to) - 1, np.int64)
        last = np.full(positions(output), -1, np.int64)
        np.minimum.at(first, to, np.arange(len(to)))
        np.maximum.at(last, to, np.arange(len(to)))
        return window.monotone(first, last)

    @property
    def vectors(self) -> int:
        """Vectors of all inputs."""
        return sum(len(index) for index in self.index)


class Idle(LayerBase):
    """A fully connected layer that these inputs never reach: an expert that no token chose.

    It has weights, and no work; nothing reads it, and no array holds it in a run.
    """

    op: Literal["idle"]
    in_features: Size
    out_features: Size

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        if channels(inputs[0]) != self.in_features:
            raise ShapeError(
                f"expects {self.in_features} features, its input has {channels(inputs[0])}"
            )
        return (self.out_features,)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return Reach(first=np.zeros(1, np.int64), last=np.full(1, -1, np.int64))

    def parameters(self) -> int:
        return self.in_features * self.out_features


def check_index(index: list[int], count: int, positions: int) -> None:
    """ShapeError unless `count` entries all lie in `positions` positions."""
    if len(index) != count:
        raise ShapeError(f"lists {len(index)} positions where there are {count}")
    if index and max(index) >= positions:
        raise ShapeError(f"lists position {max(index)} of {positions}")


def _scaled(small: TensorShape, large: TensorShape) -> Reach:
    """The neighbourhood of each output position's place in a map of another size."""
    spans = []
    for axis in (0, 1):
        place = np.arange(large[axis], dtype=np.int64)
        step = small[axis] / large[axis]
        taps = 0 if small[axis] in (1, large[axis]) else 2
        first = np.floor(place * step).astype(np.int64) - taps
        last = np.ceil((place + 1) * step).astype(np.int64) - 1 + taps
        spans.append((np.clip(first, 0, small[axis] - 1), np.clip(last, 0, small[axis] - 1)))
    (top, bottom), (left, right) = spans
    first = (top[:, None] * small[1] + left[None, :]).ravel()
    return window.monotone(first, (bottom[:, None] * small[1] + right[None, :]).ravel())


class Fold(LayerBase):
    """Overlap-add: the second half of a transposed convolution.

    The input holds, for each position of a map, a patch of kernel x kernel x C values (what a
    linear layer made of it); patches lie `stride` apart, `dilation` spreads the values of one,
    and they are summed where they overlap. `padding` is cut off the sum. A position that no patch
    reaches is zero.
    """

    op: Literal["fold"]
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    shape: Shape

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        if len(inputs[0]) != 3 or len(self.shape) != 3:
            raise ShapeError(f"needs a map of patches (H, W, k*k*C), has shape {list(inputs[0])}")
        patch = self.kernel[0] * self.kernel[1] * self.shape[-1]
        if channels(inputs[0]) != patch:
            raise ShapeError(f"expects patches of {patch} values, has {channels(inputs[0])}")
        for axis in (0, 1):
            # Up to stride - 1 positions more: they tell apart the inputs of one strided output.
            most = inputs[0][axis] * self.stride[axis] + self._covered(axis) - 1
            cut = self.padding[axis] + self.padding[axis + 2]
            if self.shape[axis] + cut > most:
                raise ShapeError(
                    f"{inputs[0][axis]} patches reach at most {most - cut} positions along axis "
                    f"{axis}, not {self.shape[axis]}"
                )
        return tuple(self.shape)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        spans = []
        for axis in (0, 1):
            place = np.arange(output[axis], dtype=np.int64) + self.padding[axis]
            last = np.minimum(place // self.stride[axis], inputs[0][axis] - 1)
            first = -(-(place - self._covered(axis) + 1) // self.stride[axis])
            spans.append((np.clip(first, 0, last), last))
        (top, bottom), (left, right) = spans
        width = inputs[0][1]
        first = top[:, None] * width + left[None, :]
        return window.monotone(first.ravel(), (bottom[:, None] * width + right[None, :]).ravel())

    def _covered(self, axis: int) -> int:
        return (self.kernel[axis] - 1) * self.dilation[axis] + 1

    @property
    def overlap(self) -> int:
        """Patches that meet in one position at most."""
        return math.prod(-(-k // s) for k, s in zip(self.kernel, self.stride, strict=True))


class Unknown(LayerBase):
    """An operator that archsim has no cost for; it counts as one operation per output element."""

    op: Literal["unknown"]
    operator: Annotated[str, Field(description="what the model's file calls it")]
    shape: Shape
    arity: ClassVar[tuple[int, int]] = (1, 64)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        return tuple(self.shape)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.everything(positions(inputs[which]), positions(output))
