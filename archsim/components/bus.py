"""The shared bus between a tile's buffer and its PEs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Count, Frequency


class Bus(Component):
    """One transfer at a time, heard by every PE of the tile (a broadcast costs one transfer)."""

    kind: Literal["bus"]
    wires: Annotated[Count, Field(description="bits per clock")]
    clock: Annotated[Frequency, POSITIVE]

    title: ClassVar[str] = "buses"

    def transfer(self, bits: int) -> Work:
        """Move `bits` in words of `wires` bits."""
        words = ceil_div(bits, self.wires)
        return Work(words, 1 / self.clock, {"word": words})

    def energies(self) -> dict[str, float]:
        """`word`: one word of `wires` bits."""
        return {"word": self.dynamic_power / self.clock}

    def periods(self) -> list[float]:
        return [1 / self.clock]
