"""What a change of task takes on a chip."""

from __future__ import annotations

from typing import Literal

from archsim.reproduce.measure import ChipName, MeasuredWrites, MethodName, ModelName, Workbench


class SwitchMeasure(MeasuredWrites):
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

    def value(self, bench: Workbench) -> float:
        found = bench.switch(self.chip, self.model, self.method, self.run(), once=self.once)
        if self.of == "dynamic":
            return found.joules - found.static
        return float(getattr(found, self.of))
