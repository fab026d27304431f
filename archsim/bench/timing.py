"""Medians of repeated runs, whole processes, and peak memory."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
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


def timed_process(command: list[str]) -> tuple[float, float]:
    """(wall seconds, peak resident MB) of one process; RuntimeError with its stderr if it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    stderr = process.stderr.read().decode() if process.stderr else ""
    if process.stderr:
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {stderr.strip()}")
    return wall, peak_mb(usage)
