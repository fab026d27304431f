"""Cells that share charge: a capacitor per cell, moved by a swing from the supply."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import AT
from archsim.cost_models.sram import CELL_AREA, CELL_AT
from archsim.schema.ranges import Ratio
from archsim.schema.units import Duration, Voltage

BITLINE = 0.35e-15  # F per cell at 28 nm


class CapacitiveCells(CostModel):
    """C dV V per cell and read: its capacitor and its piece of the bitline.

    Energy is the average over random inputs and weights, of which a quarter move the capacitor.
    `cycle` is a read measured at one supply, from which others follow by the alpha-power law.
    Area is that of 6T cells with their compute transistors, `cell_factor` times as large.
    """

    model: Literal["capacitive_cells"]
    cell_capacitance: Annotated[Ratio, Field(description="fF of a cell's capacitor")] = 1.0
    swing: Annotated[Voltage, Field(description="dV of a bitline; the supply unless given")] = 0.0
    activity: Annotated[
        Ratio, Field(le=1, description="share of cells that move their capacitor")
    ] = 0.25
    cycle: Annotated[Duration, Field(description="of a read, measured at `cycle_supply`")] = 0.0
    cycle_supply: Annotated[Voltage, Field(description="at which `cycle` was measured")] = 0.0
    cell_factor: Annotated[Ratio, Field(description="area over that of a 6T cell")] = 2.0

    source: ClassVar[str] = (
        "C dV V; 0.35 fF of bitline per cell at 28 nm (KULeuven-MICAS/zigzag-imc); assumption: "
        "1 fF a cell and twice the area of a 6T cell unless given"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"crossbar"})
    fills: ClassVar[frozenset[str]] = frozenset({"read_time"})

    def price(self, part: Structure, at: Technology) -> Price:
        line = BITLINE * at.energy_over(AT) * (AT.supply / at.supply) ** 2
        swing = self.swing or at.supply
        energy = (self.cell_capacitance * 1e-15 + line) * swing * at.supply * self.activity
        cell = CELL_AREA * at.area_over(CELL_AT) * self.cell_factor
        fields = {}
        if self.cycle or not part.get("read_time"):
            measured = Technology(at.node, part.need("cycle_supply"))
            fields["read_time"] = part.need("cycle") * at.delay_over(measured)
        area = part.need("rows") * part.need("columns") * cell
        return Price({"cell_read": energy}, area=area, fields=fields)
