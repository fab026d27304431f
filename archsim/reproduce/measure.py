"""The base of all measures: one number that an experiment can ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from archsim.mapping.options import Chips, MapOptions
from archsim.options import RunOptions
from archsim.schema import Model

if TYPE_CHECKING:
    from archsim.reproduce.bench import Bench

ChipName = Annotated[str, Field(description="one of the experiment's chips")]
ModelName = Annotated[str, Field(description="one of the experiment's models")]
MethodName = Annotated[str, Field(description="one of the experiment's methods")]


class Measure(Model):
    """A number with its arguments; `kind` is the measure's name in YAML.

    A subclass has a docstring that says what the number is and in which unit, and `value`.
    """

    def reads(self) -> frozenset[str]:
        """Other measures of the experiment whose values this one needs."""
        return frozenset()

    def value(self, bench: Bench) -> float:
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
