"""Cells that share charge: a capacitor per cell, moved by a swing from the supply."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import AT
from archsim.cost_models.sram import CELL_AREA, CELL_AT
from archsim.schema.units import Voltage

BITLINE = 0.35e-15  # F per cell at 28 nm


class CapacitiveCells(CostModel):
    """C dV V per cell and read: its capacitor and its piece of the bitline.

    Energy is the average over random inputs and weights, of which a quarter move the capacitor.
    Area is that of 6T cells with their compute transistors, `cell_factor` times as large.
    """

    model: Literal["capacitive_cells"]
    cell_capacitance: Annotated[PositiveFloat, Field(description="fF of a cell's capacitor")] = 1.0
    swing: Annotated[Voltage, Field(description="dV of a bitline; the supply unless given")] = 0.0
    activity: Annotated[
        PositiveFloat, Field(le=1, description="share of cells that move their capacitor")
    ] = 0.25
    cell_factor: Annotated[PositiveFloat, Field(description="area over that of a 6T cell")] = 2.0

    source: ClassVar[str] = (
        "C dV V; 0.35 fF of bitline per cell at 28 nm (KULeuven-MICAS/zigzag-imc); assumption: "
        "1 fF a cell and twice the area of a 6T cell unless given"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"crossbar"})

    def price(self, part: Structure, at: Technology) -> Price:
        line = BITLINE * at.energy_over(AT) * (AT.supply / at.supply) ** 2
        swing = self.swing or at.supply
        energy = (self.cell_capacitance * 1e-15 + line) * swing * at.supply * self.activity
        cell = CELL_AREA * at.area_over(CELL_AT) * self.cell_factor
        return Price({"cell_read": energy}, area=part.need("rows") * part.need("columns") * cell)
