"""Successive-approximation ADCs of in-memory computing: (k1 b + k2 4^b) V^2 per conversion."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology, within
from archsim.cost_models.gates import Gates
from archsim.schema.units import Count

K1, K2 = 100e-15, 1e-18  # F: logic and comparator of a bit; thermal noise
UNIT_CAPACITOR = 1e-15 / 1.7e-9  # mm2 of 1 fF at 1.7 fF/um2
GATES_PER_BIT = 15  # two flip-flops and a switch of the capacitor array
COMPARATOR = 20  # gates
LOOP = 14  # unit delays: comparator, logic and settling


class AdcSar(CostModel):
    """A converter that takes one step per bit; with no `rate` in the file, as fast as gates allow.

    Area: 2^b capacitors of 1 fF at 1.7 fF/um2 (the density that CiMLoop takes for metal capacitors)
    and, by assumption, 15 gates per bit and 20 for the comparator; a step takes 14 gate delays.
    """

    model: Literal["adc_sar"]
    converters: Annotated[Count, Field(description="that share the rate, side by side")] = 1

    source: ClassVar[str] = (
        "(100 fF b + 1 aF 4^b) V^2: B. Murmann, Mixed-signal computing for deep neural network "
        "inference, IEEE TVLSI 29(1), 2021; area and step time: assumption, from gates"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"adc"})
    fills: ClassVar[frozenset[str]] = frozenset({"rate"})

    def price(self, part: Structure, at: Technology) -> Price:
        bits = within("a resolution", part.need("resolution"), 1, 14, " b")
        gates = Gates(at)
        logic = (GATES_PER_BIT * bits + COMPARATOR) * gates.area
        energy = (K1 * bits + K2 * 4**bits) * at.supply**2
        return Price(
            {"conversion": energy},
            area=self.converters * (2**bits * UNIT_CAPACITOR + logic),
            fields={"rate": self.converters / ((bits + 1) * LOOP * gates.delay)},
        )
