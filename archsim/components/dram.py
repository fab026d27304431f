"""Off-chip DRAM: where tables live that no array holds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Count, EnergyPerBit, Frequency, Width


class Dram(Component):
    """Channels that each deliver `width` bits per clock, with an energy per bit."""

    kind: Literal["dram"]
    channels: Count = 1
    width: Annotated[Width, Field(description="bits per clock and channel")]
    clock: Annotated[Frequency, POSITIVE, Field(description="transfers per second")]
    access_energy: EnergyPerBit

    title: ClassVar[str] = "DRAM"

    def access(self, bits: int) -> Work:
        """Read or write `bits` on one channel."""
        words = ceil_div(bits, self.width)
        return Work(words, 1 / self.clock, {"bit": words * self.width}, self.channels)

    def energies(self) -> dict[str, float]:
        """`bit`: one bit read or written."""
        return {"bit": self.access_energy}

    def periods(self) -> list[float]:
        return [1 / self.clock]
