"""What a change of task takes on a chip."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from archsim.reproduce.bench import Bench
from archsim.reproduce.measure import ChipName, Measure, MethodName, ModelName


class SwitchMeasure(Measure):
    """One figure of a simulated task switch, or with `once` of the first set-up.

    joules of all chips, static and dynamic apart if wanted, seconds; rows, cells and pulses in
    arrays; bits into memories.
    """

    kind: Literal["switch"]
    chip: ChipName
    model: ModelName
    method: MethodName
    of: Literal[
        "joules",
        "static",
        "dynamic",
        "seconds",
        "rows",
        "cells",
        "pulses",
        "bits",
        "switches_until_worn",
    ] = "joules"
    once: bool = False
    chips: PositiveInt | None = None
    replicate: bool = False

    def value(self, bench: Bench) -> float:
        found = bench.switch(
            self.chip,
            self.model,
            self.method,
            once=self.once,
            chips=self.chips,
            replicate=self.replicate,
        )
        if self.of == "dynamic":
            return found.joules - found.static
        return float(getattr(found, self.of))
