"""Wires on the chip: capacitance by length."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.schema.units import Length

PER_METRE = 0.2e-9  # F: 0.2 fF/um, which hardly changes with the node
ACTIVITY = 0.25  # of random data a wire rises once in four bits
PITCHES = 4  # of the node: half-pitch, doubled for spacing and shielding


class Wires(CostModel):
    """C V^2 of a word over `length`, a rise every fourth bit."""

    model: Literal["wires"]
    length: Annotated[Length, Field(description="of the bus")] = 0.0

    source: ClassVar[str] = (
        "C V^2; assumption: 0.2 fF/um at every node, a rise every fourth bit, a pitch of four nodes"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"bus"})

    def price(self, part: Structure, at: Technology) -> Price:
        length, wires = part.need("length"), part.need("wires")
        energy = wires * bit_energy(length, at)
        return Price({"word": energy}, area=wires * length * PITCHES * at.node * 1e6)


def bit_energy(length: float, at: Technology) -> float:
    """Joules of one bit over a wire of `length` metres."""
    return PER_METRE * length * at.supply**2 * ACTIVITY
