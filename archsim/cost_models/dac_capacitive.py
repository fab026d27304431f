"""Capacitive DACs: an array of 2^b unit capacitors, charged through the supply."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.adc_sar import UNIT_CAPACITOR
from archsim.cost_models.base import CostModel, Price, Structure, Technology, within
from archsim.cost_models.gates import Gates
from archsim.schema.units import Energy

PER_BIT = 50e-15  # F of switches and logic


class DacCapacitive(CostModel):
    """k0 b V^2 for a conversion, k0 = 50 fF; area of 2^b capacitors of 1 fF, a flip-flop a bit."""

    model: Literal["dac_capacitive"]
    bit_energy: Annotated[Energy, Field(description="of one bit; k0 V^2 unless given")] = 0.0

    source: ClassVar[str] = "k0 b V^2 with k0 = 50 fF (KULeuven-MICAS/zigzag-imc, aimc_validation)"
    kinds: ClassVar[frozenset[str]] = frozenset({"dac"})

    def price(self, part: Structure, at: Technology) -> Price:
        bits, gates = within("a resolution", part.need("resolution"), 1, 12, " b"), Gates(at)
        energy = bits * (self.bit_energy or PER_BIT * at.supply**2)
        area = 2**bits * UNIT_CAPACITOR + bits * gates.flop_area
        return Price({"pulse": energy}, static=6 * bits * gates.leakage, area=area)
