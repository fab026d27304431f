"""Copies of a layer on a map: each copy works on columns of its own."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.mapping.graph import Operation
from archsim.trace.convolution import Conv2d, Windowed
from archsim.trace.layer import TensorShape


@dataclass(frozen=True)
class Columns:
    """Which columns of an input map go to which lane: column x as column x + every.

    needed: how many of `every` consecutive columns each lane gets.
    """

    layer: Windowed
    lanes: int
    every: int
    needed: int

    def lanes_of(self, column: int) -> list[int]:
        """Lanes whose windows reach a column, counting those at the map's edges as everywhere."""
        layer, stride = self.layer, self.layer.stride[1]
        first = column + layer.padding[1]
        starts = (first - k * layer.dilation[1] for k in range(layer.kernel[1]))
        return sorted({s // stride % self.lanes for s in starts if s % stride == 0})

    @property
    def stride(self) -> int:
        """Columns that a lane needs beyond those of the lane before it."""
        return min(self.layer.stride[1], self.needed)


def columns_of(operation: Operation, lanes: int, source: TensorShape) -> Columns | None:
    """How `lanes` lanes share the columns of the input map `source`; None if each needs them all.

    Lane n mod lanes takes position n. If the lanes divide the width of the output's map, a lane
    stays in its columns from row to row.
    """
    layer = operation.layer
    if lanes == 1 or not isinstance(layer, Windowed) or len(source) != 3:
        return None
    every = lanes * layer.stride[1]
    if operation.shape[1] % lanes or source[1] % every:
        return None
    found = Columns(layer, lanes, every, min(layer.kernel[1], every))
    return found if found.needed < every else None


def lane_counts(operation: Operation) -> list[int]:
    """Numbers of copies that an array layer may have, in rising order.

    A convolution has those that divide its map's width or are multiples of it, so that copies of
    neighbouring layers take the same columns; other layers any number up to their positions.
    """
    layer, most = operation.layer, operation.positions
    if operation.recurrent:
        return [1]
    if not isinstance(layer, Conv2d) or len(operation.shape) != 3:
        return list(range(1, most + 1))
    width = operation.shape[1]
    return [n for n in range(1, width) if width % n == 0] + list(range(width, most + 1, width))
