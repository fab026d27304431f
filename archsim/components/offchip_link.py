"""The link between chips and to the host."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Count, DataRate, Frequency


class OffchipLink(Component):
    """Serial links (HyperTransport) that share the traffic; one word per link and clock."""

    kind: Literal["offchip_link"]
    links: Count = 1
    clock: Annotated[Frequency, POSITIVE]
    rate: Annotated[DataRate, POSITIVE, Field(description="of one link; both directions share it")]

    title: ClassVar[str] = "off-chip links"

    @property
    def word(self) -> int:
        """Bits that one link moves per clock."""
        return max(round(self.rate / self.clock), 1)

    def transfer(self, bits: int) -> Work:
        """Move `bits` over one of the links."""
        words = ceil_div(bits, self.word)
        return Work(words, 1 / self.clock, {"word": words}, self.links)

    def energies(self) -> dict[str, float]:
        """`word`: what one link moves per clock."""
        return {"word": self.dynamic_power / (self.clock * self.links)}

    def periods(self) -> list[float]:
        return [1 / self.clock]
