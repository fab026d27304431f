"""Shift-and-add: gathers bit-serial partial products, and merges partial sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Count, Frequency


class ShiftAdd(Component):
    """Adders with shifters; each of `inputs` ports takes one operand per clock."""

    kind: Literal["shift_add"]
    clock: Annotated[Frequency, POSITIVE]
    inputs: Annotated[Count, Field(description="operands taken per clock")] = 1

    title: ClassVar[str] = "shift-and-add"
    primitives: ClassVar[frozenset[str]] = frozenset({"add"})

    def accumulate(self, samples: int) -> Work:
        """Take `samples` conversions on one port, one per clock."""
        return Work(samples, 1 / self.clock, {"add": samples})

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Add on all ports and all instances of the unit together."""
        adds = primitives["add"]
        cycles = ceil_div(round(adds), self.inputs * self.count)
        return Work(cycles, 1 / self.clock, {"add": adds})

    def energies(self) -> dict[str, float]:
        """`add`: one operand shifted and added."""
        return {"add": self.dynamic_power / (self.clock * self.inputs)}

    def periods(self) -> list[float]:
        return [1 / self.clock]
