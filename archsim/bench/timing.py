"""Medians of repeated runs, and peak memory."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def median_seconds(action: Callable[[], T], runs: int) -> tuple[float, T]:
    """(median wall seconds, last result) of `runs` calls, at least one."""
    walls = []
    for _ in range(runs):
        begun = time.perf_counter()
        result = action()
        walls.append(time.perf_counter() - begun)
    return statistics.median(walls), result


def peak_mb(usage: resource.struct_rusage) -> float:
    """Peak resident memory in MB."""
    scale = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KB here
    return usage.ru_maxrss * scale / 1e6
