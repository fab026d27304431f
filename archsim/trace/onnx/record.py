"""A layer under construction, and where its values are in the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from archsim.trace.layer import LayerBase
from archsim.trace.onnx import layout
from archsim.trace.onnx.graph import Array
from archsim.trace.onnx.layout import Axes
from archsim.trace.onnx.weights import Weight


@dataclass
class Record:
    """A layer or graph input and the ONNX tensor with its values, whose axes are `axes`.

    derive: from that tensor's values to the record's, where the model has no such tensor.
    """

    name: str
    tensor: str
    axes: Axes
    rank: int
    derive: Callable[[Array], Array] | None = None

    def rows(self, values: Array) -> Array:
        """The tensor's values as (positions, channels).

        Where the record repeats values that the tensor has once (a broadcast) they are repeated;
        of copies that the record has once (heads in a group) the first is taken.
        """
        if self.derive is not None:
            values = self.derive(values)
        shape = tuple(layout.size(axis) for axis in self.axes)
        if values.size > math.prod(shape):
            steps = [max(n // m, 1) for n, m in zip(values.shape, shape, strict=True)]
            values = values[tuple(slice(None, None, step) for step in steps)]
        elif values.size < math.prod(shape):
            values = np.broadcast_to(values, shape)
        return layout.rows(values, self.axes)


@dataclass
class Draft:
    """A layer before its statistics.

    weight: scaled by what was folded in; None where the data is missing or the layer has none.
    holder: index of the draft whose weights a factor per output channel goes into, None where an
    affine function can't be folded in.
    """

    layer: LayerBase
    record: Record
    weight: Weight | None = None
    holder: int | None = None
