"""The activation unit of a tile: one elementwise function per result (ISAAC's sigmoid)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Frequency


class ActivationUnit(Component):
    """One element per clock and instance: compare (ReLU, clip) or table look-up (sigmoid)."""

    kind: Literal["activation_unit"]
    clock: Annotated[Frequency, POSITIVE, Field(description="elements per second and instance")]

    title: ClassVar[str] = "activation units"
    primitives: ClassVar[frozenset[str]] = frozenset({"compare", "nonlinear"})

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Pass elements through the instances of the unit side by side."""
        elements = sum(primitives.values())
        return Work(ceil_div(round(elements), self.count), 1 / self.clock, {"element": elements})

    def energies(self) -> dict[str, float]:
        """`element`: one result."""
        return {"element": self.dynamic_power / self.clock}

    def periods(self) -> list[float]:
        return [1 / self.clock]
