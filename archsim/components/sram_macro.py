"""A bit-serial macro of SRAM cells."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.bit_serial_macro import BitSerialMacro
from archsim.schema.units import Energy


class SRAMMacro(BitSerialMacro):
    """The stored bit drives its AND gate, so that nothing is sensed; a row is written per clock."""

    kind: Literal["sram_macro"]
    write_energy: Annotated[Energy, Field(description="one cell written")]

    title: ClassVar[str] = "SRAM macros"

    @property
    def write_period(self) -> float:
        """Seconds of a write: one clock."""
        return 1 / self.clock

    def energies(self) -> dict[str, float]:
        """`write`: one cell."""
        return {**super().energies(), "write": self.write_energy}
