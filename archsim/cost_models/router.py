"""Mesh routers and the links to their neighbours."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import FLOP_AREA, SOURCE, Gates
from archsim.cost_models.wires import bit_energy
from archsim.schema.units import Count, Length


class Router(CostModel):
    """A flit is written and read in a buffer of flip-flops, is switched, and goes over a link.

    The switch is a selector of `ports` inputs per bit and port, of 3 NAND2 per two-way choice.
    """

    model: Literal["router"]
    link_length: Annotated[Length, Field(description="to the next router")] = 1e-3
    buffer_flits: Annotated[Count, Field(description="per port")] = 4

    source: ClassVar[str] = f"{SOURCE}; link: C V^2 at 0.2 fF/um"
    kinds: ClassVar[frozenset[str]] = frozenset({"mesh_router"})

    def price(self, part: Structure, at: Technology) -> Price:
        gates, flit, ports = Gates(at), part.need("flit"), part.need("ports")
        switch = 3 * (ports - 1)
        bit = 2 * gates.flop_energy + switch * gates.energy / 4
        size = ports * flit * (self.buffer_flits * FLOP_AREA + switch)
        return Price(
            {"flit": flit * (bit + bit_energy(self.link_length, at))},
            static=size * gates.leakage,
            area=size * gates.area,
        )
