"""Off-chip memories: energy per bit by standard."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.cost_models.base import CostModel, Price, Structure, Technology

PER_BIT = {
    "ddr3": (9.0e-12, "D. Vogelsang, MICRO 2010, IDD7RW of 2 Gb DDR3"),
    "ddr4": (4.5e-12, "D. Vogelsang, MICRO 2010, projected 8 Gb DDR4"),
    "lpddr4": (14.0e-12, "H. Ahn, Stanford thesis, 32 Gb LPDDR4 with its interface"),
    "lpddr3": (3.7e-12, "ISSCC 2012, interface alone"),
    "hbm": (7.0e-12, "HyGCN, HPCA 2020"),
}


class DramInterface(CostModel):
    """Joules per bit of a standard, whatever the chip's node."""

    model: Literal["dram_interface"]
    standard: Literal["ddr3", "ddr4", "lpddr3", "lpddr4", "hbm"]

    source: ClassVar[str] = (
        "pJ/b as collected in Dongyunkam/DRAM_info: " + "; ".join(
            f"{name} {joules * 1e12:g} ({where})" for name, (joules, where) in PER_BIT.items()
        )
    )  # fmt: skip
    kinds: ClassVar[frozenset[str]] = frozenset({"dram"})

    def price(self, part: Structure, at: Technology) -> Price:
        return Price(fields={"access_energy": PER_BIT[self.standard][0]})
