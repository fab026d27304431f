"""A digital-to-analog converter that drives one wordline."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component
from archsim.components.values import Values
from archsim.schema.units import POSITIVE, Bits, Duration


class DAC(Component):
    """A row driver: `resolution` input bits per pulse, that is one digit of 2^resolution levels.

    The power is that of pulses of uniform random digits; a digit of zero gives no pulse.
    """

    kind: Literal["dac"]
    resolution: Bits = 1
    pulse: Annotated[Duration, POSITIVE, Field(description="time a wordline is driven")]
    pulse_coding: Annotated[
        Literal["amplitude", "width"], Field(description="what of a pulse grows with the digit")
    ] = "amplitude"
    zero_skip: Annotated[
        Literal["none", "bit_plane"],
        Field(description="bit_plane: no conversions after a read without a pulse on any row"),
    ] = "none"

    title: ClassVar[str] = "DACs"

    def relative_energy(self, digit: int) -> float:
        """Energy of a digit's pulse over that of the highest one, in the wire and in the cells.

        Both go with voltage squared times time: C V^2 and V^2 G t.
        """
        share = digit / ((1 << self.resolution) - 1)
        return share**2 if self.pulse_coding == "amplitude" else share

    def energies(self) -> dict[str, float]:
        """`pulse`: one wordline driven for one read."""
        return {"pulse": self.dynamic_power * self.pulse}

    def value_factor(self, action: str, values: Values) -> float:
        """`pulse`: those of the layer's inputs against those of random ones."""
        return values.drive / values.usual_drive if action == "pulse" else 1.0

    def periods(self) -> list[float]:
        return [self.pulse]
