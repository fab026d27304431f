"""What running an experiment gives: its figures, and how they move with each assumption."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import Field

from archsim.reproduce.experiment import AxisValue, How
from archsim.schema import Record

State = Literal["agrees", "calibrated", "deviates", "compared", "predicted", "not reproduced"]


class FigureResult(Record):
    """A published figure and ours. simulated: None where it was only quoted.

    published_high: the other end where a range is published; ratio: ours over the published one,
    or over the nearer end of a range (1 inside it); calibrated: a value was chosen for it.
    """

    name: str
    unit: str = ""
    published: float | None = None
    published_high: float | None = None
    simulated: float | None = None
    how: How = "simulated"
    source: str = ""
    band: float | None = None
    why_not: str = ""
    measure: str | None = None
    calibrated: bool = False

    @property
    def ratio(self) -> float | None:
        """Ours over the published figure; None where there are not two, or a published 0."""
        if self.simulated is None or self.published is None:
            return None
        low, high = self.published, self.published_high
        if high is not None and low <= self.simulated <= high:
            return 1.0
        nearest = low if high is None or self.simulated < low else high
        return self.simulated / nearest if nearest else None

    @property
    def state(self) -> State:
        """Whether ours agrees with the published figure within the band."""
        if self.simulated is None:
            return "not reproduced"
        if self.published is None:
            return "predicted"
        if self.calibrated:
            return "calibrated"
        if self.band is None:
            return "compared"
        ratio = self.ratio
        return "agrees" if ratio is not None and abs(ratio - 1) <= self.band else "deviates"


class SensitivityResult(Record):
    """A figure with another value of one assumption: at the low, the stated and the high one.

    low, high: None where the chip or model cannot take that value.
    """

    assumption: str
    figure: str
    unit: str = ""
    low_value: str
    value: str
    high_value: str
    low: float | None
    stated: float
    high: float | None


class AssumptionResult(Record):
    """An assumed value with where it is from; used: whether any figure depends on it."""

    name: str
    value: str
    source: str
    calibrated: bool = False
    used: bool = True


class AxisResult(Record):
    """An axis of a curve: its values as written, and as people read them without the unit."""

    name: str
    unit: str = ""
    values: list[AxisValue]
    labels: list[str]


class CurveResult(Record):
    """A measure over its axes; the last axis is x, the one before it has the lines.

    values: of every combination of the axes, the last axis the fastest; None where the chip or
    the model cannot take that combination. published: the level that the paper states.
    """

    name: str
    unit: str = ""
    measure: str
    axes: Annotated[list[AxisResult], Field(min_length=1)]
    values: list[float | None]
    published: float | None = None
    source: str = ""

    @property
    def x(self) -> AxisResult:
        """The axis along a line."""
        return self.axes[-1]

    @property
    def lines(self) -> list[tuple[tuple[str, ...], list[float | None]]]:
        """Every line: the labels of its panel and itself, in the order of the axes, and values."""
        length = len(self.x.values)
        names = itertools.product(
            *([f"{text} {axis.unit}".strip() for text in axis.labels] for axis in self.axes[:-1])
        )
        return [
            (name, self.values[number * length : (number + 1) * length])
            for number, name in enumerate(names)
        ]


class ExperimentResult(Record):
    """All of one system."""

    archsim_experiment_result: int = 1
    system: str
    title: str
    paper: str
    learnt: str
    archsim: str
    figures: Annotated[list[FigureResult], Field(min_length=1)]
    curves: list[CurveResult] = []
    sensitivity: list[SensitivityResult] = []
    assumptions: list[AssumptionResult] = []
