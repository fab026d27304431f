"""The base of all measures: one number that an experiment can ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from archsim.mapping.options import Chips, MapOptions
from archsim.options import RunOptions
from archsim.schema import Model

if TYPE_CHECKING:
    from archsim.adaptation.adapted import Adapted
    from archsim.adaptation.evaluate import Switch
    from archsim.adaptation.learn import Step
    from archsim.arch.model import Architecture
    from archsim.learning.work import LearningWork
    from archsim.reproduce.curves import Placed
    from archsim.reproduce.experiment import AxisValue, Curve
    from archsim.result import Result
    from archsim.trace.model import Trace

ChipName = Annotated[str, Field(description="one of the experiment's chips")]
ModelName = Annotated[str, Field(description="one of the experiment's models")]
MethodName = Annotated[str, Field(description="one of the experiment's methods")]


class Workbench(Protocol):
    """What a measure may ask for; chips, models, methods and curves by their names in the file.

    archsim.reproduce.bench has it, with everything simulated once and kept.
    """

    def value(self, name: str) -> float:
        """The value of another measure."""

    def curve(self, name: str) -> Curve:
        """A curve as the file has it."""

    def points(
        self, curve: str, where: Mapping[str, AxisValue] | None = None
    ) -> Iterator[tuple[Placed, Workbench]]:
        """Every combination of a curve's axes, with the bench of the experiment that has it."""

    def chip(self, name: str) -> Architecture:
        """An architecture."""

    def model(self, name: str) -> Trace:
        """A trace."""

    def adapted(self, chip: str, model: str, method: str | None) -> Adapted:
        """A model as a method prepares it for a chip."""

    def inference(self, chip: str, model: str, method: str | None, run: RunOptions) -> Result:
        """Inferences, simulated."""

    def switch(self, chip: str, model: str, method: str, run: RunOptions, *, once: bool) -> Switch:
        """A change of task, or with `once` the first set-up, simulated."""

    def step(self, chip: str, model: str, method: str, work: LearningWork) -> Step:
        """A training step, simulated."""


class Measure(Model):
    """A number with its arguments; `kind` is the measure's name in YAML.

    A subclass has a docstring that says what the number is and in which unit, and `value`.
    """

    def reads(self) -> frozenset[str]:
        """Other measures of the experiment whose values this one needs."""
        return frozenset()

    def value(self, bench: Workbench) -> float:
        """Simulate or derive the number; InputError if a chip, model or method is unfit."""
        raise NotImplementedError


class MeasuredWrites(Measure, MapOptions):
    """A measure of a simulated chip, with the options of its mapping.

    Of as many chips as the model needs and one copy of each layer, unless it says otherwise: papers
    rarely tell of either.
    """

    chips: Chips = "auto"
    replicate: bool = False

    def run(self) -> RunOptions:
        """The options of the run that is measured."""
        return self.only(RunOptions)


class MeasuredRun(MeasuredWrites, RunOptions):
    """A measure of simulated inferences, with all options of a run."""
