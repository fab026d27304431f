"""What a GPU's data sheet promises."""

from __future__ import annotations

from typing import Literal

from archsim.reproduce.measure import Measure, Workbench


class GpuPeak(Measure):
    """Peak of a GPU's dense arithmetic, in 1e12 operations per second (two for a MAC).

    tops_per_w: over the power of the busy GPU, which papers compare although no workload reaches
    it.
    """

    kind: Literal["gpu_peak"]
    gpu: str
    of: Literal["tops", "tops_per_w"] = "tops_per_w"
    precision: str = "fp16"

    def value(self, bench: Workbench) -> float:
        from archsim.gpu.load import load_gpu

        gpu = load_gpu(self.gpu)
        tops = gpu.arithmetic(self.precision).peak / 1e12
        return tops if self.of == "tops" else tops / gpu.power.busy
