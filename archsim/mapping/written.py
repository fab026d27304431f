"""What a task switch writes: asked for as rewrites, reported as what was written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Home = Literal["array", "unit", "mask", "buffer"]


@dataclass(frozen=True)
class Rewrite:
    """What is written for one layer.

    home: where it goes; bits: of one copy, for homes other than arrays; changed: share of each
    row's cells that get another level; pes: share of the layer's PEs that are written at all.
    """

    layer: str
    home: Home = "array"
    bits: int = 0
    changed: float = 1.0
    pes: float = 1.0


ROUNDING = 1e-9


def pes_written(share: float, count: int) -> int:
    """How many of a layer's `count` PEs a `share` of them is: those that it begins, whole."""
    return math.ceil(share * count - ROUNDING)


@dataclass
class Written:
    """What the flows of a switch write, all copies together.

    flows: ids in the Program; rows, cells, pulses: programmed in arrays; bits: written elsewhere;
    wear: cycles of the array that is worn most, averaged over its cells. A cell that gets another
    level goes through one, however many pulses it takes: endurances are measured in cycles.
    """

    flows: list[int] = field(default_factory=list)
    rows: int = 0
    cells: int = 0
    pulses: int = 0
    bits: int = 0
    wear: float = 0.0
