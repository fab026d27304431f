"""A mask over crossbar columns, applied where conversions are shifted and added (XBM, XMA)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Bits, Count, Energy, EnergyPerBit, Frequency, Width


class ColumnMask(Component):
    """Keeps `bits` of mask per column: one bit switches a column off, more shift its sum."""

    kind: Literal["column_mask"]
    bits: Annotated[Bits, Field(description="widest mask per column")] = 1
    columns: Annotated[Count, Field(description="columns that the memory has entries for")]
    lanes: Annotated[Count, Field(description="columns masked per clock")] = 1
    clock: Annotated[Frequency, POSITIVE]
    apply_energy: Annotated[Energy, Field(description="one column masked or shifted")]
    write_width: Annotated[Width, Field(description="bits written per clock")]
    write_energy: Annotated[EnergyPerBit, Field(description="one bit written")]

    title: ClassVar[str] = "column masks"

    def apply(self, columns: int) -> Work:
        """Mask the sums of so many columns."""
        return Work(ceil_div(columns, self.lanes), 1 / self.clock, {"apply": columns})

    def write(self, bits: int) -> Work:
        """Store a new mask."""
        return Work(ceil_div(bits, self.write_width), 1 / self.clock, {"write": bits})

    def energies(self) -> dict[str, float]:
        """`apply`: one column; `write`: one bit of mask."""
        return {"apply": self.apply_energy, "write": self.write_energy}

    def periods(self) -> list[float]:
        return [1 / self.clock]
