"""The weights of one layer as a matrix, real or as the integer codes that the file holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from archsim.trace.onnx.graph import Array, Graph


@dataclass(frozen=True)
class Weight:
    """scale * (values - zero): a matrix with a row per input and a column per output.

    values: float, or integer codes of `bits` bits; scale, zero: one value or one per column.
    """

    values: Array
    scale: Array
    zero: Array
    bits: int | None = None
    signed: bool = True

    @property
    def real(self) -> Array:
        """The weights as float64, shape (rows, columns)."""
        return (self.values.astype(np.float64) - self.zero) * self.scale

    def scaled(self, factor: Array) -> Weight:
        """Every column times its factor.

        A factor of zero or below leaves the codes' scale meaningless: real values then.
        """
        factor = np.asarray(factor, np.float64).ravel()
        if self.bits is not None and np.any(factor <= 0):
            return Weight(self.real, factor, np.zeros(1))
        return replace(self, scale=self.scale * factor)


def weight_of(graph: Graph, name: str, matrix: Callable[[Array], Array]) -> Weight | None:
    """A constant as weights; None where the file lacks its data.

    matrix: brings the constant's shape to (rows, columns). Codes that have different scales
    within a column (blocks of inputs) are taken as real values.
    """
    value = graph.constants[name]
    if value is None:
        return None
    codes = graph.codes.get(name)
    if codes is not None:
        found = []
        for part in (codes.scale, codes.zero):
            if part.size == 1:
                found.append(part.reshape(1))
                continue
            spread = matrix(np.broadcast_to(part, codes.values.shape))
            if not np.array_equal(spread, np.broadcast_to(spread[:1], spread.shape)):
                break
            found.append(spread[0])
        if len(found) == 2:
            return Weight(matrix(codes.values), found[0], found[1], codes.bits, codes.signed)
    return Weight(matrix(value), np.ones(1), np.zeros(1))
