"""A crossbar of resistive cells: rows of inputs, columns of weighted sums."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, ceil_div
from archsim.units import POSITIVE, Bits, Duration, Shape2D


class Crossbar(Component):
    """An analog array that multiplies a vector of input bits by its stored weights in one read.

    A weight of w bits takes ceil(w / bits_per_cell) neighbouring columns, twice that with
    differential encoding (positive and negative part); offset encoding stores weight + bias and
    subtracts the bias digitally (ISAAC section V).
    """

    kind: Literal["crossbar"]
    size: Annotated[Shape2D, Field(description="rows x columns")]
    bits_per_cell: Bits
    encoding: Literal["offset", "differential"] = "offset"
    read_time: Annotated[Duration, POSITIVE, Field(description="one read of all columns")]

    title: ClassVar[str] = "crossbars"

    @property
    def rows(self) -> int:
        return self.size[0]

    @property
    def columns(self) -> int:
        return self.size[1]

    def columns_per_weight(self, weight_bits: int) -> int:
        """Columns that one weight takes."""
        slices = ceil_div(weight_bits, self.bits_per_cell)
        return slices * (2 if self.encoding == "differential" else 1)

    def energies(self) -> dict[str, float]:
        """`cell_read`: one cell during one read; the array's power over its cells."""
        return {"cell_read": self.dynamic_power * self.read_time / (self.rows * self.columns)}

    def periods(self) -> list[float]:
        return [self.read_time]
