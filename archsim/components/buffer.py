"""The on-chip buffer of a tile: eDRAM or SRAM."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Capacity, Count, Frequency, Width


class Buffer(Component):
    """Keeps activations between layers. Each port serves one line of `width` bits per clock."""

    kind: Literal["buffer"]
    technology: Literal["sram", "edram"] = "sram"
    capacity: Annotated[Capacity, POSITIVE]
    width: Annotated[Width, Field(description="bits per line")]
    banks: Count = 1
    ports: Annotated[Count, Field(description="lines served at the same time")] = 1
    clock: Annotated[Frequency, POSITIVE]

    title: ClassVar[str] = "buffers"

    def access(self, bits: int) -> Work:
        """Read or write `bits`, line by line."""
        lines = ceil_div(bits, self.width)
        return Work(lines, 1 / self.clock, {"line": lines}, self.ports)

    def energies(self) -> dict[str, float]:
        """`line`: one line read or written."""
        return {"line": self.dynamic_power / (self.clock * self.ports)}

    def periods(self) -> list[float]:
        return [1 / self.clock]
