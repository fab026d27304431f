"""What a method trains and keeps for a task."""

from __future__ import annotations

from typing import Literal

from archsim.reproduce.measure import ChipName, Measure, MethodName, ModelName, Workbench


class AdaptedMeasure(Measure):
    """Values that a task trains, or bits kept for it to switch back."""

    kind: Literal["adapted"]
    chip: ChipName
    model: ModelName
    method: MethodName
    of: Literal["trained", "stored_bits"] = "trained"

    def value(self, bench: Workbench) -> float:
        return float(getattr(bench.adapted(self.chip, self.model, self.method), self.of))
