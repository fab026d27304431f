"""A SIMD vector unit: softmax, normalisation, activations, elementwise and dynamic products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Count, Energy, Frequency

SIMPLE = ("add", "compare", "max")


class VectorUnit(Component):
    """`lanes` lanes, one primitive per lane and clock, with an energy for each primitive.

    The unit's `power` counts only as static power (with static_share); its dynamic energy is that
    of the primitives that run.
    """

    kind: Literal["vector_unit"]
    lanes: Count
    clock: Annotated[Frequency, POSITIVE]
    add_energy: Annotated[Energy, Field(description="add, subtract, compare or shift")]
    multiply_energy: Energy
    divide_energy: Energy
    nonlinear_energy: Annotated[Energy, Field(description="exp, tanh, erf, 1/sqrt by table")]

    title: ClassVar[str] = "vector units"
    primitives: ClassVar[frozenset[str]] = frozenset(
        {*SIMPLE, "multiply", "mac", "divide", "nonlinear"}
    )

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Run primitives on all lanes, each one pass; a mac is a fused multiply and add."""
        operations = sum(primitives.values())
        return Work(
            ceil_div(round(operations), self.lanes * self.count), 1 / self.clock, primitives
        )

    def energies(self) -> dict[str, float]:
        """One action per primitive."""
        return {
            **dict.fromkeys(SIMPLE, self.add_energy),
            "multiply": self.multiply_energy,
            "mac": self.multiply_energy + self.add_energy,
            "divide": self.divide_energy,
            "nonlinear": self.nonlinear_energy,
        }

    def periods(self) -> list[float]:
        return [1 / self.clock]
