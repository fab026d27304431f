"""What an inference takes on a GPU."""

from __future__ import annotations

from typing import Literal

from archsim.reproduce.measure import Measure, ModelName, Workbench
from archsim.schema.ranges import Size


class GpuInference(Measure):
    """Joules or seconds per inference of the GPU's roofline, at a batch and precision."""

    kind: Literal["gpu_inference"]
    gpu: str
    model: ModelName
    of: Literal["joules", "seconds"] = "joules"
    batch: Size = 1
    precision: str = "bf16"
    fuse: bool = True
    launch: Literal["graph", "host"] = "graph"

    def value(self, bench: Workbench) -> float:
        from archsim.gpu.inference import inference
        from archsim.gpu.load import load_gpu

        found = inference(
            load_gpu(self.gpu),
            bench.model(self.model),
            self.batch,
            self.precision,
            fuse=self.fuse,
            launch=self.launch,
        )
        return float(getattr(found, self.of)) / self.batch
