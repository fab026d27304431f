"""A digital-to-analog converter that drives one wordline."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component
from archsim.units import POSITIVE, Bits, Duration


class DAC(Component):
    """A row driver: `resolution` input bits per pulse."""

    kind: Literal["dac"]
    resolution: Bits = 1
    pulse: Annotated[Duration, POSITIVE, Field(description="time a wordline is driven")]

    title: ClassVar[str] = "DACs"

    def energies(self) -> dict[str, float]:
        """`pulse`: one wordline driven for one read."""
        return {"pulse": self.dynamic_power * self.pulse}

    def periods(self) -> list[float]:
        return [self.pulse]
