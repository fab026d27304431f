"""What a report or figure reads of a comparison and of a reproduction: these fields alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archsim.schema import Record

COMPARISON_VERSION = 1
REPRODUCTION_VERSION = 1


class ComparisonRow(Record):
    """A method on a platform: joules and seconds of an inference and of a switch to a new task."""

    method: str
    platform: str
    inference_energy_j: float
    switch_energy_j: float
    inference_latency_s: float
    switch_latency_s: float

    @property
    def name(self) -> str:
        return f"{self.method} on {self.platform}"

    def energy_j(self, inferences: float) -> float:
        """Joules per inference where a task lasts for `inferences` of them."""
        return self.inference_energy_j + self.switch_energy_j / inferences


class Comparison(Record):
    """What comparison.json holds."""

    archsim_comparison_result: int = COMPARISON_VERSION
    name: str = "comparison"
    rows: Annotated[list[ComparisonRow], Field(min_length=1)]


class ReproductionRow(Record):
    """A published figure, what was simulated for it, and where it was published."""

    quantity: str
    published: float
    simulated: float
    unit: str = ""
    source: str = ""

    @property
    def deviation(self) -> float:
        """(simulated - published) / published; 0 where both are 0."""
        if self.published == 0:
            return 0.0 if self.simulated == 0 else float("inf")
        return (self.simulated - self.published) / abs(self.published)


class Reproduction(Record):
    """What reproduction.json holds."""

    archsim_reproduction: int = REPRODUCTION_VERSION
    name: str = "reproduction"
    rows: Annotated[list[ReproductionRow], Field(min_length=1)]
