"""Links between chips: energy per bit by signalling."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.cost_models.base import CostModel, Price, Structure, Technology

PER_BIT = {
    "ground_referenced": 1.17e-12,
    "hypertransport": 10.4 / (4 * 6.4e9 * 8),  # 4 links of 6.4 GB/s draw 10.4 W
}


class SerialLink(CostModel):
    """Joules per bit of the signalling, whatever the chip's node; nothing while idle."""

    model: Literal["serial_link"]
    signalling: Literal["ground_referenced", "hypertransport"]

    source: ClassVar[str] = (
        "ground_referenced: 1.17 pJ/b (J. Poulton et al., IEEE JSSC 2019); hypertransport: 10.4 W "
        "for 4 x 6.4 GB/s (ISAAC, Table I)"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"offchip_link"})

    def price(self, part: Structure, at: Technology) -> Price:
        word = max(round(part.need("rate") / part.need("clock")), 1)
        return Price({"word": word * PER_BIT[self.signalling]})
