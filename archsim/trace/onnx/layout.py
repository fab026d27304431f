"""Which axes of an ONNX tensor are positions and which are channels.

A trace record has shape (positions..., channels). An ONNX tensor shows the same elements under
other axes: transposed, split into heads, flattened. Here every ONNX axis is a product of
*factors*; a factor remembers its place in the record. Reshape and Transpose only regroup factors,
so they vanish from the trace for as long as a layer finds its channels in channel factors.
Axes of size 1 (the batch among them) have no factors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archsim.trace.layer import TensorShape
from archsim.trace.onnx.graph import Array, Dims

CHANNEL = 1000  # first key element of channel factors: behind every position axis


@dataclass(frozen=True)
class Factor:
    """Part of an axis: `key` orders factors as the record does, outermost first.

    A position factor's key starts with its axis in the record, a channel's with CHANNEL.
    """

    key: tuple[int, ...]
    size: int

    @property
    def is_position(self) -> bool:
        return self.key[0] < CHANNEL


Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]


@dataclass(frozen=True)
class View:
    """An ONNX tensor as a view of a record.

    record: name of the layer or input that made it; rank: position axes of the record; tensor:
    the ONNX tensor with the same values; draft: index of the layer (-1 for a graph input);
    sole: no other node reads the values between the layer's output and this tensor.
    """

    record: str
    rank: int
    axes: Axes
    tensor: str
    draft: int = -1
    sole: bool = False

    @property
    def factors(self) -> list[Factor]:
        """All factors, in the order of the ONNX axes."""
        return [factor for axis in self.axes for factor in axis]

    @property
    def shape(self) -> Dims:
        """The ONNX shape."""
        return tuple(size(axis) for axis in self.axes)

    @property
    def record_shape(self) -> TensorShape:
        """Shape of the record: positions, then channels."""
        return record_shape(self.axes, self.rank)


def size(axis: Sequence[Factor]) -> int:
    """Elements along an axis."""
    return math.prod(factor.size for factor in axis)


def record_shape(axes: Axes, rank: int) -> TensorShape:
    """Shape of the record that has these factors and `rank` position axes."""
    factors = [factor for axis in axes for factor in axis]
    grid = [size([f for f in factors if f.key[0] == i]) for i in range(rank)]
    return (*grid, size([f for f in factors if not f.is_position]))


def rows(values: Array, axes: Axes) -> Array:
    """Values with these ONNX axes as the record has them: (positions, channels)."""
    factors = [factor for axis in axes for factor in axis]
    order = sorted(range(len(factors)), key=lambda i: factors[i].key)
    spread = values.reshape([factor.size for factor in factors]).transpose(order)
    return spread.reshape(-1, size([f for f in factors if not f.is_position]))


def fresh(shape: Dims, positions: Sequence[int], channels: Sequence[int]) -> tuple[Axes, int]:
    """Axes and rank of a new record whose positions and channels are these ONNX axes."""
    keys = {axis: (i,) for i, axis in enumerate(positions)}
    keys |= {axis: (CHANNEL, i) for i, axis in enumerate(channels)}  # type: ignore[misc]
    axes = tuple((Factor(keys[i], n),) if n > 1 else () for i, n in enumerate(shape))
    return axes, len(positions)


def tokens(shape: Dims) -> tuple[Axes, int]:
    """The layout of [batch, positions..., channels], channels last."""
    last = len(shape) - 1
    wide = [i for i in range(last) if shape[i] > 1]
    if len(wide) > 3:
        raise ValueError(f"more than three position axes in {list(shape)}")
    return fresh(shape, wide, [last] if shape else [])


def reshape(axes: Axes, shape: Dims) -> Axes | None:
    """Regroup factors to a new ONNX shape, splitting where it divides; None where it can't."""
    left = [factor for axis in axes for factor in axis][::-1]
    result: list[Axis] = []
    for extent in shape:
        taken: list[Factor] = []
        while extent > 1:
            if not left:
                return None
            factor = left.pop()
            if extent % factor.size == 0:
                taken.append(factor)
                extent //= factor.size
            elif factor.size % extent == 0:
                taken.append(Factor((*factor.key, 0), extent))
                left.append(Factor((*factor.key, 1), factor.size // extent))
                extent = 1
            else:
                return None
        result.append(tuple(taken))
    return None if left else tuple(result)


def resized(axes: Axes, shape: Dims) -> Axes | None:
    """The same roles with other extents (slice, concat, pad, resize).

    An axis of changed extent becomes one factor of its role. None where an axis mixes positions
    and channels or where an axis of size 1 grows.
    """
    result: list[Axis] = []
    for axis, extent in zip(axes, shape, strict=True):
        if size(axis) == extent:
            result.append(axis)
        elif len({factor.is_position for factor in axis}) != 1:
            return None
        else:
            first = min(axis, key=lambda factor: factor.key)
            result.append((Factor(first.key, extent),) if extent > 1 else ())
    return tuple(result)


def ascending(factors: Sequence[Factor]) -> bool:
    """True when factors stand in the order of the record."""
    keys = [factor.key for factor in factors]
    return keys == sorted(keys)


def aligned(large: Axes, small: Axes) -> bool:
    """True when `small` broadcasts to `large` position by position and channel by channel."""
    if len(small) != len(large):
        return False
    found: list[tuple[Factor, Factor]] = []
    for wide, narrow in zip(large, small, strict=True):
        if narrow:
            if [f.size for f in wide] != [f.size for f in narrow]:
                wide, narrow = _merged(wide), _merged(narrow)
            if [(f.size, f.is_position) for f in wide] != [(f.size, f.is_position) for f in narrow]:
                return False
            found += zip(wide, narrow, strict=True)
    same_order = sorted(found, key=lambda p: p[0].key) == sorted(found, key=lambda p: p[1].key)
    if not same_order:
        return False

    def count(axes: Axes, position: bool) -> int:
        return size([f for axis in axes for f in axis if f.is_position == position])

    return all(count(small, role) in (1, count(large, role)) for role in (True, False))


def _merged(axis: Axis) -> Axis:
    result: list[Factor] = []
    for factor in axis:
        last = result[-1] if result else None
        if last and last.is_position == factor.is_position and last.key < factor.key:
            result[-1] = Factor(last.key, last.size * factor.size)
        else:
            result.append(factor)
    return tuple(result)
