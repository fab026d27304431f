"""Choose the tick: one integer time base for every clock of a chip."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

TOLERANCE = 5e-7  # relative; the contract asks for better than one part in a million
SHORTEST = 1e-18  # seconds; below this the tick is no longer a common divisor but a fine grid


def choose_tick(periods: Iterable[float]) -> float:
    """The longest tick, in seconds, of which every period is a multiple to within 5e-7.

    Each period is taken as the simplest fraction of the longest one; the tick is the longest
    period over the common denominator. Clocks without a small common denominator get a grid of a
    two-millionth of the shortest period.
    """
    distinct = sorted(set(periods))
    if not distinct or distinct[0] <= 0:
        raise ValueError("periods must be positive")
    longest = distinct[-1]
    denominator = math.lcm(*(simplest_fraction(p / longest).denominator for p in distinct))
    tick = longest / denominator
    return tick if tick >= SHORTEST else distinct[0] / 2_000_000


def simplest_fraction(value: float) -> Fraction:
    """The continued-fraction convergent with the smallest denominator within the tolerance."""
    exact = rest = Fraction(value)
    before, current = (0, 1), (1, 0)  # numerators and denominators of the last two convergents
    while True:
        whole = rest.numerator // rest.denominator
        before, current = (
            current,
            (
                whole * current[0] + before[0],
                whole * current[1] + before[1],
            ),
        )
        found = Fraction(*current)
        if abs(found - exact) <= TOLERANCE * exact or rest == whole:
            return found
        rest = 1 / (rest - whole)


def ticks(seconds: float, tick: float) -> int:
    """A period in ticks."""
    return max(round(seconds / tick), 1) if seconds > 0 else 0
