"""A sample-and-hold circuit that keeps one bitline's value for the ADC."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from archsim.components.base import Component
from archsim.components.values import Values
from archsim.schema.units import POSITIVE, Duration


class SampleHold(Component):
    """One per bitline; samples while the array is read and holds while the ADC converts."""

    kind: Literal["sample_hold"]
    sample_time: Annotated[Duration, POSITIVE]

    title: ClassVar[str] = "sample-and-hold"

    def energies(self) -> dict[str, float]:
        """`sample`: one bitline sampled and held for one read."""
        return {"sample": self.dynamic_power * self.sample_time}

    def value_factor(self, action: str, values: Values) -> float:
        """`sample`: a bitline of a skipped read is not sampled."""
        return values.live if action == "sample" else 1.0

    def periods(self) -> list[float]:
        return [self.sample_time]
