"""Registers of flip-flops: the word that is accessed is clocked."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import FLOP_AREA, SOURCE, Gates


class FlipFlops(CostModel):
    """Energy of `width` flip-flops per access; area and leakage of `capacity` of them."""

    model: Literal["flip_flops"]

    source: ClassVar[str] = SOURCE
    kinds: ClassVar[frozenset[str]] = frozenset({"register", "buffer"})

    def price(self, part: Structure, at: Technology) -> Price:
        gates, bits = Gates(at), part.need("capacity")
        energy = part.need("width") * gates.flop_energy
        return Price(
            {"access": energy, "line": energy},
            static=bits * FLOP_AREA * gates.leakage,
            area=bits * gates.flop_area,
        )
