"""eDRAM buffers: denser than SRAM, with refresh."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.cost_models.base import CostModel, Price, Structure, Technology, within
from archsim.cost_models.sram import CAPACITIES, sram_bit_energy

AT = Technology(32e-9, 0.9)
BIT_AREA = 0.083 / (64 * 8192)  # mm2
REFRESH = 40e-6  # s


class Edram(CostModel):
    """A line costs what one of an SRAM of the same size does and its restoring, which doubles it.

    Area per bit is that of ISAAC's 64 KB at 32 nm (CACTI 6.5). Every bit is refreshed once in
    40 us at the energy of a read (assumption).
    """

    model: Literal["edram"]

    source: ClassVar[str] = (
        "twice a read of SRAM (CACTI 7 fit); area of ISAAC's 64 KB, Table I; assumption: refresh "
        "every 40 us"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"buffer"})

    def price(self, part: Structure, at: Technology) -> Price:
        bits = within("a capacity", part.need("capacity"), *CAPACITIES, " b")
        bit = 2 * sram_bit_energy(bits, at)
        return Price(
            {"line": bit * part.need("width")},
            static=bits * bit / REFRESH,
            area=bits * BIT_AREA * at.area_over(AT),
        )
