"""Digital logic from gates: adders, adder trees, registers, and how long they take.

Gates are multiples of a unit gate (NAND2) as in KULeuven-MICAS/zigzag-imc: XOR2 2.4 times the area
and delay and 1.5 times the capacitance, a flip-flop 6 times the area and 3 times the capacitance; a
full adder is 3 NAND2 and 2 XOR2; a tree of n inputs of b bits has n (b + 1) - (b + log2 n + 1) of
them and its sums ripple. The unit gate of 28 nm and 0.9 V is the one that was fitted there to
fabricated digital macros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.cost_models.technology import Technology

SOURCE = "gates of KULeuven-MICAS/zigzag-imc (28 nm, 0.9 V)"
AT = Technology(28e-9, 0.9)
XOR_AREA, XOR_DELAY, XOR_CAP = 2.4, 2.4, 1.5
FLOP_AREA, FLOP_CAP = 6.0, 3.0
ADDER_AREA = 3 + 2 * XOR_AREA
ADDER_CAP = 3 + 2 * XOR_CAP


@dataclass(frozen=True)
class UnitGate:
    """A NAND2 at 28 nm and 0.9 V: mm2, seconds, farads of both inputs, watts of leakage.

    Leakage: assumption of 1 nW, about what 28 nm libraries state for a NAND2 of standard threshold.
    """

    area: float = 0.614e-6
    delay: float = 47.8e-12
    capacitance: float = 0.7e-15
    leakage: float = 1e-9


UNIT = UnitGate()


@dataclass(frozen=True)
class Gates:
    """Gates in a technology."""

    at: Technology
    unit: UnitGate = UNIT

    @property
    def energy(self) -> float:
        """Joules of a unit gate's capacitance charged once."""
        return self.unit.capacitance * AT.supply**2 * self.at.energy_over(AT)

    @property
    def area(self) -> float:
        """mm2 of a unit gate."""
        return self.unit.area * self.at.area_over(AT)

    @property
    def delay(self) -> float:
        """Seconds through a unit gate."""
        return self.unit.delay * self.at.delay_over(AT)

    @property
    def leakage(self) -> float:
        """Watts of a unit gate."""
        return self.unit.leakage * self.at.leakage_over(AT)

    @property
    def flop_energy(self) -> float:
        """Joules of a flip-flop clocked once."""
        return FLOP_CAP * self.energy

    @property
    def flop_area(self) -> float:
        return FLOP_AREA * self.area

    @property
    def adder_energy(self) -> float:
        """Joules of a full adder that switches."""
        return ADDER_CAP * self.energy

    @property
    def adder_area(self) -> float:
        return ADDER_AREA * self.area


def tree_adders(inputs: float, bits: float) -> float:
    """Full adders of a tree over `inputs` operands of `bits` bits."""
    if inputs <= 1:
        return 0.0
    return inputs * (bits + 1) - (bits + math.log2(inputs) + 1)


def carry_delay(bits: float) -> float:
    """Unit delays from the inputs of an adder of so many bits to its carry."""
    return XOR_DELAY + 2 + 2 * (bits - 1)


def tree_delay(inputs: float, bits: float) -> float:
    """Unit delays through a tree: sums of all levels but the last, then its carry."""
    if inputs <= 1:
        return 0.0
    levels = math.ceil(math.log2(inputs))
    return 2 * XOR_DELAY * (levels - 1) + carry_delay(bits + levels - 1)
