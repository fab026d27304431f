"""Digital in-memory macros from gates: products, adder trees, accumulators, and their clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import (
    ADDER_AREA,
    AT,
    FLOP_AREA,
    SOURCE,
    UNIT,
    XOR_DELAY,
    Gates,
    UnitGate,
    carry_delay,
    tree_adders,
    tree_delay,
)
from archsim.cost_models.sram import BLOCK_AREA, CELL_AREA, CELL_AT
from archsim.schema.ranges import Share, Whole
from archsim.schema.units import Bits, Count

WORDLINE = 0.35e-15  # F per cell at 28 nm (zigzag-imc)
WRITE = 2e-15  # F of bitlines and cell, assumption
EXPONENT, NORMALISED, STAGES = 4, 22, 5  # bits of E4M3; of a result; of its shifter


@dataclass(frozen=True)
class Pieces:
    """What one output of a macro takes: gates that multiply, full adders, flip-flops, path.

    products: NOR gates; trees: full adders that switch with the data; sums: those of accumulators,
    which switch with every beat; flops: clocked with every beat; path: unit delays between flops.
    """

    products: float
    trees: float
    sums: float
    flops: float
    path: float


class DigitalMacro(CostModel):
    """A macro of rows x columns cells whose columns join to outputs of `weight_bits`.

    tree: one adder tree per output over whole weights, or one per column with a join behind it;
    order: accumulate after the tree or, row by row, before it; pipelined: a register between the
    two; booth: two input bits make one product. toggle: share of input bits that change; density:
    ones among stored bits: products and trees switch with their product (1/4 for random codes).
    `extra_adders` and `extra_flops` per macro are there and do not switch.
    """

    model: Literal["digital_macro"]
    weight_bits: Annotated[Bits, Field(description="columns that join to an output")] = 8
    input_bits: Annotated[Bits, Field(description="of a whole input")] = 8
    booth: Annotated[bool, Field(description="two input bits make one product")] = False
    tree: Annotated[Literal["weight", "column"], Field(description="what one adder tree sums")] = (
        "weight"
    )
    order: Annotated[
        Literal["tree_first", "row_first"], Field(description="tree or accumulators first")
    ] = "tree_first"
    pipelined: Annotated[bool, Field(description="a register between tree and accumulator")] = False
    accumulator_bits: Annotated[
        Whole, Field(le=1024, description="0: as many as a sum can need")
    ] = 0
    outputs_per_accumulator: Annotated[Count, Field(description="that share one")] = 1
    toggle: Annotated[Share, Field(description="input bits that change")] = 0.5
    density: Annotated[Share, Field(description="ones among the stored bits")] = 0.5
    extra_adders: Annotated[Whole, Field(description="full adders that do not switch")] = 0
    extra_flops: Annotated[Whole, Field(description="flip-flops that do not switch")] = 0

    source: ClassVar[str] = f"{SOURCE}; cells: CACTI 7 at 28 nm"
    kinds: ClassVar[frozenset[str]] = frozenset({"sram_macro", "sas_mram_macro"})
    fills: ClassVar[frozenset[str]] = frozenset({"clock"})

    def pieces(self, rows: float, together: float) -> Pieces:
        """One output over `rows` rows with `together` input bits per clock."""
        weight = self.weight_bits
        products = rows * together * weight / (2 if self.booth else 1)
        sum_bits = weight + together - 1 + math.log2(rows)
        wide = self.accumulator_bits or sum_bits + self.input_bits - together
        share = 1 / self.outputs_per_accumulator
        if self.order == "row_first":
            wide = self.accumulator_bits or weight + self.input_bits
            trees, tree = tree_adders(rows, wide), tree_delay(rows, wide)
            flops = rows * (wide + (weight if self.pipelined else 0))
            path = max(1 + carry_delay(wide), tree + 2 * XOR_DELAY)
            return Pieces(products, trees, rows * wide, flops, path)
        if self.tree == "column":
            bits = together + math.log2(rows)
            joined = bits + weight - 1
            trees = weight * tree_adders(rows, together) + tree_adders(weight, joined) * share
            first, second = tree_delay(rows, together), tree_delay(weight, joined)
            held = weight * bits
        else:
            trees = tree_adders(rows, weight + together - 1)
            first, second = tree_delay(rows, weight + together - 1), 0.0
            held = sum_bits
        second += 2 * XOR_DELAY + 2 * max(wide - sum_bits, 0)
        flops = wide * share + (held if self.pipelined else 0)
        path = max(1 + first, second) if self.pipelined else 1 + first + second
        return Pieces(products, trees, wide * share, flops, path)

    def price(self, part: Structure, at: Technology) -> Price:
        return self.priced(part, at, UNIT)

    def priced(self, part: Structure, at: Technology, unit: UnitGate) -> Price:
        """The price with another unit gate."""
        gates = Gates(at, unit)
        rows, columns = part.need("rows"), part.need("columns")
        together = part.get("bits_per_clock") or 1.0
        outputs = columns / self.weight_bits
        one = self.pieces(rows, together)
        active = self.toggle * self.density
        product = one.products / (rows * self.weight_bits) * gates.energy / 2 * active
        line = WORDLINE * AT.supply**2 * at.energy_over(AT) * together * self.toggle / 2
        size = outputs * (
            one.products + (one.trees + one.sums) * ADDER_AREA + one.flops * FLOP_AREA
        )
        size += self.extra_adders * ADDER_AREA + self.extra_flops * FLOP_AREA
        cell = CELL_AREA * at.area_over(CELL_AT)
        shift = 3 * gates.energy
        return Price(
            fields={
                "cell_energy": product + line,
                "tree_energy": one.trees * gates.adder_energy * active / self.weight_bits,
                "accumulate_energy": one.sums * gates.adder_energy + one.flops * gates.flop_energy,
                "align_energy": EXPONENT * (gates.adder_energy + gates.flop_energy + 8 * shift),
                "normalise_energy": NORMALISED * STAGES * shift,
                "write_energy": WRITE * at.supply**2,
                "cell_area": cell,
                "logic_area": size * gates.area + BLOCK_AREA * at.area_over(CELL_AT),
                "logic_leakage": size * gates.leakage,
                "clock": 1 / (one.path * gates.delay),
            }
        )
