"""Programmable clusters and near-memory multipliers: energy per product by precision."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.sram import sram_bit_energy
from archsim.cost_models.vector_lanes import ADD, AT, MULTIPLY, Precision
from archsim.schema.ranges import Ratio

WIDTH = {"int8": 8, "int32": 32, "fp16": 16, "fp32": 32}


class ClusterCores(CostModel):
    """A product is a multiplication and an addition, its weight read from the local SRAM.

    overhead: instructions, registers and control over the arithmetic; 1 for fixed multipliers.
    """

    model: Literal["cluster_cores"]
    precision: Annotated[Precision, Field(description="of a product")] = "int8"
    overhead: Annotated[Ratio, Field(description="over the arithmetic")] = 10.0

    source: ClassVar[str] = (
        "arithmetic as vector_lanes has it, SRAM by a fit to CACTI 7; assumption: instructions "
        "and registers cost ten times the arithmetic"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"cluster", "sram_lora_branch"})

    def price(self, part: Structure, at: Technology) -> Price:
        arithmetic = (ADD[self.precision] + MULTIPLY[self.precision]) * at.energy_over(AT)
        bit = sram_bit_energy(part.need("capacity"), at)
        mac = self.overhead * arithmetic + WIDTH[self.precision] * bit
        return Price(fields={"mac_energy": mac, "dma_energy": bit, "write_energy": bit})
