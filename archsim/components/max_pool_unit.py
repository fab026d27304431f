"""The max-pooling unit of a tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Frequency


class MaxPoolUnit(Component):
    """A comparator with a register: one element compared per clock and instance."""

    kind: Literal["max_pool_unit"]
    clock: Annotated[Frequency, POSITIVE, Field(description="comparisons per second")]

    title: ClassVar[str] = "max-pool units"
    primitives: ClassVar[frozenset[str]] = frozenset({"max"})

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Compare elements on the instances of the unit side by side."""
        elements = primitives["max"]
        return Work(ceil_div(round(elements), self.count), 1 / self.clock, {"comparison": elements})

    def energies(self) -> dict[str, float]:
        """`comparison`: one element against the maximum so far."""
        return {"comparison": self.dynamic_power / self.clock}

    def periods(self) -> list[float]:
        return [1 / self.clock]
