"""The size of a model."""

from __future__ import annotations

from typing import Literal

from archsim.reproduce.measure import Measure, ModelName, Workbench


class Parameters(Measure):
    """Learnt values of a model, tied ones once; `biases: false` counts what multiplies alone."""

    kind: Literal["parameters"]
    model: ModelName
    biases: bool = True

    def value(self, bench: Workbench) -> float:
        return float(bench.model(self.model).parameters(biases=self.biases))
