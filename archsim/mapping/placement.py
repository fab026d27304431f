"""Where an adaptation method puts layers: on units beside the arrays, in groups, behind masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Placement:
    """What is not placed as usual, by layer name.

    units: component of the tile that holds a layer's weights and computes it, instead of arrays;
    beside: layer near whose tiles such a layer is placed; groups: positions that a layer takes
    together; kept: share of a layer's columns that are digitised at all; masked: layers whose sums
    go through the PE's column mask.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, float] = field(default_factory=dict)
    masked: frozenset[str] = frozenset()


AS_USUAL = Placement()
