"""What an inference takes on a chip."""

from __future__ import annotations

from typing import Literal

from archsim.reproduce.measure import ChipName, MeasuredRun, MethodName, ModelName, Workbench


class Inference(MeasuredRun):
    """One figure of a simulated run: joules per inference, seconds of the whole batch, and others.

    energy_dynamic_j leaves out static energy, which goes with all chips however little they hold.
    """

    kind: Literal["inference"]
    chip: ChipName
    model: ModelName
    method: MethodName | None = None
    of: Literal[
        "energy_j",
        "energy_static_j",
        "energy_dynamic_j",
        "latency_s",
        "interval_s",
        "chips",
        "arrays_used",
        "tops",
        "tops_per_w",
        "power_w",
    ] = "energy_j"

    def value(self, bench: Workbench) -> float:
        result = bench.inference(self.chip, self.model, self.method, self.run())
        if self.of == "energy_dynamic_j":
            return result.energy_j - result.energy_static_j
        return float(getattr(result, self.of))
