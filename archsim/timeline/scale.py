"""Ticks to the integer times of a timeline file."""

from __future__ import annotations

import numpy as np

from archsim.program import Ints
from archsim.timeline.model import Timeline


def picoseconds(timeline: Timeline, ticks: Ints) -> Ints:
    """Times rounded to whole picoseconds; rounding keeps the order, so slices do not overlap."""
    rounded: Ints = np.rint(ticks * (timeline.tick * 1e12)).astype(np.int64)
    return rounded


def slice_name(labels: list[str], label: int, others: int) -> str:
    """The text on a slice."""
    return f"{labels[label]} and others" if others else labels[label]
