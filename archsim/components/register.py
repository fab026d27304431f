"""A register file beside the arrays: input register or output register of a PE."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Capacity, Frequency, Width


class Register(Component):
    """Holds the vector that the arrays work on, or their results until the bus takes them."""

    kind: Literal["register"]
    side: Literal["input", "output"]
    capacity: Annotated[Capacity, POSITIVE]
    width: Annotated[Width, Field(description="bits per access")]
    clock: Annotated[Frequency, POSITIVE]

    title: ClassVar[str] = "registers"

    def access(self, bits: int) -> Work:
        """Write or read `bits`, one access of `width` bits per clock."""
        accesses = ceil_div(bits, self.width)
        return Work(accesses, 1 / self.clock, {"access": accesses})

    def energies(self) -> dict[str, float]:
        """`access`: one access of `width` bits."""
        return {"access": self.dynamic_power / self.clock}

    def periods(self) -> list[float]:
        return [1 / self.clock]
