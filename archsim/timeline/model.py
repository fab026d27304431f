"""A timeline: tracks with slices, and counters. Times are ticks of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from archsim.program import Ints

WORK, WAIT = 0, 1
# Columns of a table of slices.
TRACK, KIND, LABEL, FIRST, LAST, START, END, SERVICES, BUSY, OTHERS = range(10)
COLUMNS = 10


@dataclass(frozen=True)
class Track:
    """A row of the timeline: `name` in the group `process`; order: of groups, as on the chips."""

    process: str
    name: str
    order: int = 0


@dataclass(frozen=True)
class Counter:
    """A quantity over time: `values[i]` holds from `ticks[i]` to `ticks[i + 1]`."""

    process: str
    name: str
    unit: str
    ticks: Ints
    values: np.typing.NDArray[np.float64]


@dataclass(frozen=True)
class Timeline:
    """What a run did, as it is drawn.

    slices: (k, COLUMNS) int64: track, WORK or WAIT, label, first and last instance, start, end,
    services in it, their busy ticks added up, and 1 if other labels were merged into it. Slices
    of a track do not overlap. resolution: ticks; shorter pauses are not shown (0: all are).
    """

    name: str
    tick: float  # seconds
    makespan: int
    tracks: list[Track]
    labels: list[str]
    slices: Ints
    counters: list[Counter] = field(default_factory=list)
    resolution: int = 0
    merged: str = ""  # what a track of units stands for

    def in_order(self) -> Ints:
        """The slices by track, and by start in each."""
        return self.slices[np.lexsort((self.slices[:, START], self.slices[:, TRACK]))]
