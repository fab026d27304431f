"""Shift-and-add units: an adder, a shifter and a register per port."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import ADDER_AREA, FLOP_AREA, SOURCE, Gates
from archsim.schema.units import Width

SHIFT_GATES = 3  # NAND2 of a two-way selector, per bit


class Adders(CostModel):
    """`bits` full adders, selectors and flip-flops; half of the adders switch with random data."""

    model: Literal["adders"]
    bits: Annotated[Width, Field(description="width of the sum")] = 24

    source: ClassVar[str] = f"{SOURCE}; assumption: half of the adders switch"
    kinds: ClassVar[frozenset[str]] = frozenset({"shift_add"})

    def price(self, part: Structure, at: Technology) -> Price:
        gates, ports = Gates(at), part.need("inputs")
        one = gates.adder_energy / 2 + SHIFT_GATES * gates.energy / 2 + gates.flop_energy
        size = (ADDER_AREA + SHIFT_GATES + FLOP_AREA) * self.bits * ports
        return Price({"add": self.bits * one}, static=size * gates.leakage, area=size * gates.area)
