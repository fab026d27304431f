"""SRAM buffers: a fit to CACTI by capacity and width, scaled to node and supply."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.cost_models.base import CostModel, Price, Structure, Technology, within

CELL_AT = Technology(28e-9, 0.9)
CELL_AREA = 0.2336e-6  # mm2 a bit, with its share of the periphery
BLOCK_AREA = 174e-6  # mm2 of decoder and sense amplifiers of the smallest
CAPACITIES = (1024.0, 8.0 * 2**20)  # bits: 128 B to 1 MB


class Sram(CostModel):
    """A line of w bits from a memory of n bits: w (2.9 + 0.065 sqrt n) fJ, at 28 nm and 0.9 V.

    The root stands for the length of bitline and wordline. CACTI 7 has 5.8, 7.9 and 11.2 fJ/b for
    256, 1,024 and 2,048 bytes (the fit 5.8, 8.8, 11.2), and 33 and 35 fJ/b for 4 and 8 KB in
    512-bit lines, of which the fit gives 0.45 and 0.56. Area 0.2336 um2 a bit and 174 um2. Leakage
    10 pW a bit (assumption: high-density cells at 25 C).
    """

    model: Literal["sram"]

    source: ClassVar[str] = "fit to CACTI 7 at 28 nm (as tabulated in KULeuven-MICAS/zigzag-imc)"
    kinds: ClassVar[frozenset[str]] = frozenset({"buffer", "register"})

    def price(self, part: Structure, at: Technology) -> Price:
        bits = within("a capacity", part.need("capacity"), *CAPACITIES, " b")
        energy = sram_bit_energy(bits, at) * part.need("width")
        area = (CELL_AREA * bits + BLOCK_AREA) * at.area_over(CELL_AT)
        leakage = 10e-12 * bits * at.leakage_over(CELL_AT)
        return Price({"line": energy, "access": energy}, static=leakage, area=area)


def sram_bit_energy(capacity: float, at: Technology) -> float:
    """Joules of one bit of a line of a memory of `capacity` bits."""
    return float((2.9e-15 + 0.065e-15 * capacity**0.5) * at.energy_over(CELL_AT))
