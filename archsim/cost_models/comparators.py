"""Units that handle one element at a time: compare, or look a function up."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import ADDER_AREA, FLOP_AREA, SOURCE, Gates
from archsim.cost_models.sram import CELL_AREA, CELL_AT, sram_bit_energy
from archsim.schema.units import Capacity, Width


class Comparators(CostModel):
    """A subtractor and a register of `bits`; with a `table`, also one read of it of that width."""

    model: Literal["comparators"]
    bits: Annotated[Width, Field(description="width of an element")] = 16
    table: Annotated[Capacity, Field(description="of a function looked up; 0: none")] = 0.0

    source: ClassVar[str] = f"{SOURCE}; table: fit to CACTI 7"
    kinds: ClassVar[frozenset[str]] = frozenset({"max_pool_unit", "activation_unit"})

    def price(self, part: Structure, at: Technology) -> Price:
        gates = Gates(at)
        energy = self.bits * (gates.adder_energy / 2 + gates.flop_energy)
        size = self.bits * (ADDER_AREA + FLOP_AREA)
        area = size * gates.area
        if self.table:
            energy += self.bits * sram_bit_energy(self.table, at)
            area += self.table * CELL_AREA * at.area_over(CELL_AT)
        energies = {"element": energy, "comparison": energy}
        return Price(energies, static=size * gates.leakage, area=area)
