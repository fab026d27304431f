"""A router of the on-chip mesh and its links."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Count, Frequency, Width


class MeshRouter(Component):
    """A node of a concentrated mesh: `tiles` tiles share it, four links go to its neighbours.

    Every link carries one flit per clock. Switching is store-and-forward by packets of at most
    `packet_flits` flits; a message to several tiles goes along an XY tree, each link once.
    """

    kind: Literal["mesh_router"]
    flit: Annotated[Width, Field(description="bits per flit")]
    ports: Count = 8
    tiles: Annotated[Count, Field(description="tiles that share the router")] = 1
    packet_flits: Count = 32
    clock: Annotated[Frequency, POSITIVE]

    title: ClassVar[str] = "routers"

    def packets(self, bits: int) -> tuple[int, Work]:
        """(packets, work of one packet on one link) of a message of `bits`.

        A message is cut into equal packets; its last flits fill up the longest one.
        """
        flits = ceil_div(bits, self.flit)
        packets = ceil_div(flits, self.packet_flits)
        return packets, Work(ceil_div(flits, packets), 1 / self.clock, {"flit": flits / packets})

    def energies(self) -> dict[str, float]:
        """`flit`: one flit through one port."""
        return {"flit": self.dynamic_power / (self.clock * self.ports)}

    def periods(self) -> list[float]:
        return [1 / self.clock]
