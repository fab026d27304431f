"""R-2R ladders: a current through the ladder for as long as the wordline is driven."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology, within
from archsim.cost_models.gates import Gates
from archsim.schema.units import Voltage

RESISTOR = 2e-6  # mm2 of one resistor R


class DacR2R(CostModel):
    """b V^2 / (12 R) for a read of the array, over uniform random codes, and half the flip-flops.

    A bit that is one sees 3 R (its rung and the ladder to both sides): V^2 / 3R for half the codes,
    of which the other bits, which lift its node to a third of V on average, take half back.
    """

    model: Literal["dac_r2r"]
    unit_resistance: Annotated[float, Field(ge=1e-6, le=1e18, description="ohms of R")]
    reference: Annotated[Voltage, Field(description="over the ladder; the supply unless given")] = (
        0.0
    )

    source: ClassVar[str] = "V^2 / 12R per bit, by superposition over the bits of a ladder"
    kinds: ClassVar[frozenset[str]] = frozenset({"dac"})

    def price(self, part: Structure, at: Technology) -> Price:
        bits, gates = within("a resolution", part.need("resolution"), 1, 12, " b"), Gates(at)
        volts = self.reference or at.supply
        power = bits * volts**2 / (3 * self.unit_resistance) / 4
        switched = bits / 2 * gates.flop_energy
        area = (3 * bits + 1) * RESISTOR + bits * gates.flop_area
        return Price({"pulse": power * part.need("read_time") + switched}, area=area)
