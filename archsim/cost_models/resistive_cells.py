"""Resistive cells under a read voltage: V^2 G t, and the area of a cell."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.schema.ranges import Ratio


class ResistiveCells(CostModel):
    """A cell at its highest level takes V^2 G t of a read; `cell_area` is in squares of the node.

    The crossbar's own `read_voltage`, `on_conductance` and `off_conductance` are used, and its
    value factor then weighs levels and digits.
    """

    model: Literal["resistive_cells"]
    cell_squares: Annotated[
        Ratio, Field(description="area of a cell in node^2: 4 alone, 12 with a transistor")
    ] = 12.0

    source: ClassVar[str] = "V^2 G t (Chen, Peng, Yu, IEEE TCAD 2018); 4 or 12 F^2 a cell"
    kinds: ClassVar[frozenset[str]] = frozenset({"crossbar"})

    def price(self, part: Structure, at: Technology) -> Price:
        pulse = part.get("read_pulse") or part.need("read_time")
        energy = part.need("read_voltage") ** 2 * part.need("on_conductance") * pulse
        cells = part.need("rows") * part.need("columns")
        return Price({"cell_read": energy}, area=cells * self.cell_squares * at.node**2 * 1e6)
