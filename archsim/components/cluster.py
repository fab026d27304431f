"""A programmable multi-core cluster (PMCA) beside a tile: RISC-V cores around one local memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.ranges import PositiveShare, Ratio, Whole
from archsim.schema.units import POSITIVE, Capacity, Count, Energy, EnergyPerBit, Frequency, Width


class Cluster(Component):
    """Cores that run a matrix product from the local memory while a DMA moves the next operands.

    A call takes `call` cycles to set up, then as long as the slower of product and DMA. The unit's
    `power` counts only through its static share.
    """

    kind: Literal["cluster"]
    cores: Count
    macs: Annotated[Ratio, Field(description="per core and clock, at its precision")]
    efficiency: Annotated[PositiveShare, Field(description="of the cores in a product")] = 1.0
    call: Annotated[Whole, Field(description="clocks to set up one call")] = 0
    capacity: Annotated[Capacity, POSITIVE, Field(description="local memory")]
    dma_width: Annotated[Width, Field(description="bits that the DMA moves per clock")]
    clock: Annotated[Frequency, POSITIVE]
    mac_energy: Energy
    dma_energy: EnergyPerBit

    title: ClassVar[str] = "clusters"
    primitives: ClassVar[frozenset[str]] = frozenset({"weight_mac", "moved_bit"})

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Products with weights in the local memory, and the bits moved in and out for them."""
        products, moved = primitives["weight_mac"], primitives.get("moved_bit", 0.0)
        rate = self.cores * self.macs * self.efficiency * self.count
        cycles = max(math.ceil(products / rate), -(-round(moved) // self.dma_width))
        return Work(self.call + cycles, 1 / self.clock, {"mac": products, "dma_bit": moved})

    def write(self, bits: int) -> Work:
        """Bring new weights into the local memory."""
        return Work(ceil_div(bits, self.dma_width), 1 / self.clock, {"dma_bit": bits})

    def energies(self) -> dict[str, float]:
        """`mac`: one product; `dma_bit`: one bit moved."""
        return {"mac": self.mac_energy, "dma_bit": self.dma_energy}

    def periods(self) -> list[float]:
        return [1 / self.clock]
