"""Energy of a stretch of time on a GPU, from NVML."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Sequence
from typing import Any


def mean_power(samples: Sequence[tuple[float, float]]) -> float:
    """Mean of (seconds, watts) samples over their time, by the trapezoidal rule.

    One sample is its own mean. Raises ValueError if there is none.
    """
    if not samples:
        raise ValueError("no power was sampled")
    span = samples[-1][0] - samples[0][0]
    if span <= 0:
        return sum(watts for _, watts in samples) / len(samples)
    pairs = itertools.pairwise(samples)
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairs) / span


class EnergyMeter:
    """Mean power of the board over a `with` block: `meter.watts` afterwards, None if unreadable.

    Reads NVML's energy counter (Volta and later, `nvmlDeviceGetTotalEnergyConsumption`, mJ) before
    and after; where there is none, samples power on a thread. NVML's own figures are averages
    over some tens of milliseconds, so that a block should last a second.
    """

    def __init__(self, nvml: Any, handle: Any, period: float = 0.02) -> None:
        self._nvml, self._handle, self._period = nvml, handle, period
        self.watts: float | None = None
        self.source = "none"
        if nvml is None:
            return
        for source, read in (("counter", self._joules), ("sampled power", self._sample)):
            with contextlib.suppress(Exception):  # NVML has an exception class per fault
                read()
                self.source = source
                break

    def _joules(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3

    def _sample(self) -> float:
        return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1e3

    def __enter__(self) -> EnergyMeter:
        self.watts, self._samples, self._stop = None, [], threading.Event()
        self._thread: threading.Thread | None = None
        self._start = time.perf_counter()
        if self.source == "counter":
            self._before = self._joules()
        elif self.source == "sampled power":
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        seconds = time.perf_counter() - self._start
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self.watts = mean_power(self._samples) if self._samples else None
        elif self.source == "counter" and seconds > 0:
            self.watts = (self._joules() - self._before) / seconds

    def _watch(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # one missed reading is not worth the run
                self._samples.append((time.perf_counter(), self._sample()))
            if self._stop.wait(self._period):
                return

    _samples: list[tuple[float, float]]
    _stop: threading.Event
