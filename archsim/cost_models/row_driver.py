"""Row drivers: a wordline's capacitance charged for every pulse, wide, counted or high."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import AT, Gates

CELL_LOAD = 0.35e-15  # F of wire and gate per cell, half a NAND2's
DRIVER_GATES = 20  # a chain of three inverters of growing size


class RowDriver(CostModel):
    """C V^2 of a wordline of `columns` cells and its driver, `pulses` times for a full digit.

    coding: `amplitude` and `width` charge the line once per pulse of any digit; `count` sends
    2^resolution - 1 pulses for the highest digit. Energy is that of uniform random digits, as that
    of a DAC's power is.
    """

    model: Literal["row_driver"]
    coding: Annotated[
        Literal["amplitude", "width", "count"], Field(description="how a digit is driven")
    ] = "width"

    source: ClassVar[str] = (
        "C V^2; 0.35 fF of wordline per cell at 28 nm (KULeuven-MICAS/zigzag-imc); assumption: a "
        "driver of 20 gates"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"dac"})

    def price(self, part: Structure, at: Technology) -> Price:
        gates, highest = Gates(at), 2 ** part.need("resolution") - 1
        line = part.need("columns") * CELL_LOAD * AT.supply**2 * at.energy_over(AT)
        once = line + DRIVER_GATES * gates.energy
        pulses = highest / 2 if self.coding == "count" else highest / (highest + 1)
        return Price(
            {"pulse": once * pulses},
            static=DRIVER_GATES * gates.leakage,
            area=DRIVER_GATES * gates.area,
        )
