"""An analog-to-digital converter that digitises bitlines one after another."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work
from archsim.components.values import Values
from archsim.schema.units import POSITIVE, Bits, SampleRate


class ADC(Component):
    """Shared by the columns of an array, and by several arrays if there are fewer ADCs."""

    kind: Literal["adc"]
    resolution: Bits
    rate: Annotated[SampleRate, POSITIVE, Field(description="conversions per second")]

    title: ClassVar[str] = "ADCs"
    costing_only = Component.costing_only | {"resolution"}
    descriptive = Component.descriptive | {"resolution"}

    def convert(self, columns: int) -> Work:
        """Digitise `columns` bitlines one after another."""
        return Work(columns, 1 / self.rate, {"conversion": columns})

    def energies(self) -> dict[str, float]:
        """`conversion`: one sample."""
        return {"conversion": self.dynamic_power / self.rate}

    def value_factor(self, action: str, values: Values) -> float:
        """`conversion`: the same whatever the sample, and nothing for those that are skipped."""
        return values.live if action == "conversion" else 1.0

    def periods(self) -> list[float]:
        return [1 / self.rate]
