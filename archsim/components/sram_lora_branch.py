"""A digital SRAM branch beside a tile that holds and computes a low-rank adapter (HaLoRA)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Capacity, Count, Energy, EnergyPerBit, Frequency, Width


class SramLoraBranch(Component):
    """Multipliers next to the SRAM that keeps their weights: `macs` products per clock.

    The unit's `power` counts only through its static share; products and writes have energies of
    their own.
    """

    kind: Literal["sram_lora_branch"]
    capacity: Annotated[Capacity, POSITIVE, Field(description="weights of the adapters held")]
    macs: Annotated[Count, Field(description="multiply-accumulates per clock")]
    clock: Annotated[Frequency, POSITIVE]
    mac_energy: Annotated[Energy, Field(description="one product, weight read included")]
    write_width: Annotated[Width, Field(description="bits written per clock")]
    write_energy: Annotated[EnergyPerBit, Field(description="one bit written")]

    title: ClassVar[str] = "SRAM LoRA branches"
    primitives: ClassVar[frozenset[str]] = frozenset({"weight_mac", "moved_bit"})

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Products of an input vector with weights held here; operands stream in meanwhile."""
        products = primitives["weight_mac"]
        cycles = ceil_div(round(products), self.macs * self.count)
        return Work(cycles, 1 / self.clock, {"mac": products})

    def write(self, bits: int) -> Work:
        """Store new weights."""
        return Work(ceil_div(bits, self.write_width), 1 / self.clock, {"write": bits})

    def energies(self) -> dict[str, float]:
        """`mac`: one product; `write`: one bit written."""
        return {"mac": self.mac_energy, "write": self.write_energy}

    def periods(self) -> list[float]:
        return [1 / self.clock]
