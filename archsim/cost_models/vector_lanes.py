"""Vector units: energy per operation by precision, from 45 nm."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology

AT = Technology(45e-9, 0.9)
ADD = {"int8": 0.03e-12, "int32": 0.1e-12, "fp16": 0.4e-12, "fp32": 0.9e-12}
MULTIPLY = {"int8": 0.2e-12, "int32": 3.1e-12, "fp16": 1.1e-12, "fp32": 3.7e-12}
ADD_AREA = {"int8": 36e-6, "int32": 137e-6, "fp16": 1360e-6, "fp32": 4184e-6}
MULTIPLY_AREA = {"int8": 282e-6, "int32": 3495e-6, "fp16": 1640e-6, "fp32": 7700e-6}
DIVISION = 7.1  # over a multiplication
CONTROL = 2.0  # operands, registers and instructions over the arithmetic

Precision = Literal["int8", "int32", "fp16", "fp32"]


class VectorLanes(CostModel):
    """Arithmetic by M. Horowitz's table at 45 nm, twice it with registers and control.

    A division is 7.1 multiplications (a measurement on a Cortex M4F), a function by table two.
    """

    model: Literal["vector_lanes"]
    precision: Annotated[Precision, Field(description="of an operation")] = "fp16"

    source: ClassVar[str] = (
        "M. Horowitz, Computing's energy problem, ISSCC 2014 (45 nm, 0.9 V), int32 and fp32 as "
        "quoted in PMC8934428, table 3; assumption: int8 and fp16, all areas, and twice it with "
        "registers and control"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"vector_unit"})

    def price(self, part: Structure, at: Technology) -> Price:
        over = CONTROL * at.energy_over(AT)
        add, multiply = ADD[self.precision] * over, MULTIPLY[self.precision] * over
        lane = CONTROL * (ADD_AREA[self.precision] + MULTIPLY_AREA[self.precision])
        energies = {"add_energy": add, "multiply_energy": multiply}
        energies |= {"divide_energy": DIVISION * multiply, "nonlinear_energy": 2 * multiply}
        area = lane * part.need("lanes") * at.area_over(AT)
        return Price(fields=energies, area=area)
