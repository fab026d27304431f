"""Which channels of a vector a tile holds or needs: exact fractions of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache


@dataclass(frozen=True, eq=False, slots=True)
class Span:
    """From `low` to `high`, as fractions of the vector. Equal spans are the same object."""

    low: Fraction
    high: Fraction


Targets = frozenset[tuple[int, Span]]  # (tile, channels that it needs)


@dataclass(frozen=True)
class Slice:
    """Part number `index` of `parts` equal parts of a vector's channels."""

    index: int = 0
    parts: int = 1

    @property
    def span(self) -> Span:
        """Where it starts and ends."""
        return _slice(self.index, self.parts)


@cache
def _slice(index: int, parts: int) -> Span:
    return _span(Fraction(index, parts), Fraction(index + 1, parts))


@cache  # few different ones, asked for often
def _span(low: Fraction, high: Fraction) -> Span:
    return Span(low, high)


WHOLE = Slice().span


@lru_cache(maxsize=1 << 16)
def overlap(one: Span, other: Span) -> Span | None:
    """The channels that two spans share."""
    low, high = max(one.low, other.low), min(one.high, other.high)
    return _span(low, high) if low < high else None


@lru_cache(maxsize=1 << 16)
def union(spans: frozenset[Span]) -> Fraction:
    """Share of a vector that is in at least one of the spans."""
    total, reached = Fraction(0), Fraction(0)
    for span in sorted(spans, key=lambda s: (s.low, s.high)):
        total += max(span.high - max(span.low, reached), Fraction(0))
        reached = max(reached, span.high)
    return total


def bits_of(bits: int, share: Fraction) -> int:
    """Bits of a share of a vector of `bits`, rounded up."""
    return -(-bits * share.numerator // share.denominator)
