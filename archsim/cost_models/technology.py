"""Energy, delay and area between process nodes from 180 to 7 nm and supplies.

A. Stillmaker, B. Baas, Scaling equations for the accurate prediction of CMOS device performance
from 180 nm to 7 nm, Integration 58, 2017, pp. 74-81, doi:10.1016/j.vlsi.2017.02.002: the area
factors and the polynomials of delay and energy of an inverter chain (high-performance devices below
65 nm), as tabulated in wromaszkan/nodeScale. Nodes between two of the table are interpolated, the
logarithm of a factor over that of the node. At each node the polynomials are taken at its nominal
supply; from there energy goes with V^2 and delay with V / (V - Vt)^a (T. Sakurai, A. R. Newton,
IEEE JSSC 25(2), 1990).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

SOURCE = "Stillmaker and Baas 2017, doi:10.1016/j.vlsi.2017.02.002; V^2; alpha-power law"
ALPHA, THRESHOLD = 1.3, 0.35  # exponent of short channels (Sakurai and Newton); assumption: 0.35 V
LOWEST_SUPPLY = 0.45
HIGHEST_OVER_NOMINAL = 1.5


class OutOfRange(ValueError):
    """A value for which a formula is not known to hold; says the range."""


class _Node(NamedTuple):
    supply: float  # nominal, of the predictive technology models that the paper simulates
    area: float  # over 180 nm
    delay: tuple[float, float, float, float]  # V^3, V^2, V, 1
    energy: tuple[float, float, float]  # V^2, V, 1


_NODES = {
    7: _Node(0.7, 0.0032, (-28.58, 76.6, -70.26, 24.69), (0.1776, -0.09097, 0.02447)),
    10: _Node(0.75, 0.0055, (-34.95, 93.65, -85.99, 30.4), (0.2068, -0.09311, 0.02375)),
    14: _Node(0.8, 0.0093, (-40.66, 109.2, -100.6, 35.92), (0.2363, -0.09675, 0.02239)),
    16: _Node(0.85, 0.01, (0, 24.8, -47.52, 28.87), (0.2958, -0.1241, 0.03024)),
    20: _Node(0.9, 0.011, (0, 34.63, -66.37, 41.15), (0.373, -0.1582, 0.04104)),
    32: _Node(0.9, 0.025, (-1047, 2982, -2797, 873.5), (0.8367, -0.4341, 0.1701)),
    45: _Node(1.0, 0.053, (-501.6, 1567, -1619, 566.1), (1.018, -0.3107, 0.1539)),
    65: _Node(1.1, 0.08, (-53.3, 230.4, -333.9, 178.6), (3.755, -4.398, 1.975)),
    90: _Node(1.2, 0.15, (-60.34, 262.5, -384.2, 210.9), (4.762, -4.781, 2.092)),
    130: _Node(1.3, 0.34, (-76.65, 334.9, -493.4, 275.8), (7.171, -6.709, 2.904)),
    180: _Node(1.8, 1.0, (0, 97.09, -356.7, 406.5), (24.64, -17.98, 0)),
}  # fmt: skip
_SIZES = sorted(_NODES)


class _Factors(NamedTuple):
    supply: float
    capacitance: float
    delay: float
    area: float


@lru_cache(maxsize=256)
def _factors(node: float) -> _Factors:
    """Nominal supply; energy over V^2, delay and area of a gate, over any one unit."""
    nanometres = node * 1e9
    if not _SIZES[0] * 0.999 <= nanometres <= _SIZES[-1] * 1.001:
        raise OutOfRange(
            f"a node of {nanometres:g} nm is outside {_SIZES[0]} to {_SIZES[-1]} nm, for which "
            "scaling is known"
        )
    nanometres = min(max(nanometres, _SIZES[0]), _SIZES[-1])
    above = max(bisect_left(_SIZES, nanometres), 1)
    low, high = _SIZES[above - 1], _SIZES[above]
    share = math.log(nanometres / low) / math.log(high / low)
    pairs = zip(_at(_NODES[low]), _at(_NODES[high]), strict=True)
    return _Factors(*(math.pow(one, 1 - share) * math.pow(other, share) for one, other in pairs))


def _at(node: _Node) -> _Factors:
    v = node.supply
    a, b, c, d = node.delay
    e, f, g = node.energy
    delay = ((a * v + b) * v + c) * v + d
    return _Factors(v, ((e * v + f) * v + g) / v**2, delay, node.area)


@dataclass(frozen=True)
class Technology:
    """A process node in metres and a supply in volts; 0 V stands for the node's nominal one.

    Raises OutOfRange beyond 7 to 180 nm, and 0.45 V to 1.5 times the nominal supply.
    """

    node: float
    supply: float = 0.0

    def __post_init__(self) -> None:
        nominal = nominal_supply(self.node)
        if not self.supply:
            object.__setattr__(self, "supply", nominal)
        if not LOWEST_SUPPLY <= self.supply <= HIGHEST_OVER_NOMINAL * nominal:
            raise OutOfRange(
                f"a supply of {self.supply:g} V is outside {LOWEST_SUPPLY:g} to "
                f"{HIGHEST_OVER_NOMINAL * nominal:.3g} V, for which {self.node * 1e9:g} nm is known"
            )

    def energy_over(self, source: Technology) -> float:
        """Energy of a gate here over that at `source`."""
        here, there = _factors(self.node), _factors(source.node)
        swing = (self.supply / source.supply) ** 2
        return here.capacitance / there.capacitance * swing

    def delay_over(self, source: Technology) -> float:
        """Delay of a gate here over that at `source`."""
        here, there = _factors(self.node).delay, _factors(source.node).delay
        return here * _slowness(self) / (there * _slowness(source))

    def area_over(self, source: Technology) -> float:
        """Area of a gate here over that at `source`."""
        return _factors(self.node).area / _factors(source.node).area

    def leakage_over(self, source: Technology) -> float:
        """Leakage of a gate: its width times the supply (assumption: alike per width)."""
        return self.node / source.node * self.supply / source.supply


def nominal_supply(node: float) -> float:
    """Volts that a node in metres is made for; OutOfRange."""
    return _factors(node).supply


def _slowness(at: Technology) -> float:
    """Delay over that at the nominal supply, by the alpha-power law."""

    def law(supply: float) -> float:
        return supply / math.pow(supply - THRESHOLD, ALPHA)

    return law(at.supply) / law(nominal_supply(at.node))
