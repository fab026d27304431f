"""The YAML of an experiment: chips, models, measures, and the published figures they stand for."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from archsim.schema import Model
from archsim.schema.ranges import BitWidth, Integer, Real, Share, Size, Whole

EXPERIMENT_KEY: Final = "archsim_experiment"
EXPERIMENT_VERSION: Final = 1
How = Literal["simulated", "derived", "quoted"]
Text = Annotated[str, Field(min_length=1)]
Value = Integer | Real | str
AxisValue = Value | list[Value]
BAND: Final = 0.1
"""Deviation from a published figure that counts as agreement, unless a figure states another."""


class Chip(Model):
    """An architecture and what is changed in it; `change` is laid over its YAML, key by key."""

    arch: Annotated[str, Field(description="path from the folder of this file")]
    change: dict[str, Any] = {}


class ModelChoice(Model):
    """What runs: a trace, a model of known sizes, or one fully connected layer.

    sizes: fields of the configuration to replace; seq, decode, sequences, image, head: as
    archsim.models.extent; weight_bits, input_bits: of the codes; linear: inputs and outputs of
    the layer, run at `seq` positions; circulant: side of the blocks that weights are made of,
    where channels are multiples of it; prune: share of the channels taken out; norms: put a batch
    norm behind every convolution, where a trace has them folded in.
    """

    trace: str | None = None
    config: str | None = None
    linear: tuple[Size, Size] | None = None
    sizes: dict[str, Any] = {}
    seq: Size | None = None
    decode: Whole = 0
    sequences: Size = 1
    image: Size | None = None
    head: bool = True
    weight_bits: BitWidth = 8
    input_bits: BitWidth = 8
    circulant: Size = 1
    prune: Annotated[Share, Field(lt=1)] = 0.0
    norms: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(x is not None for x in (self.trace, self.config, self.linear)) != 1:
            raise ValueError("a model has one of trace, config and linear")
        return self


class Assumption(Model):
    """A value that the paper does not state, or that could not be read in it.

    paths: where in this file the value goes; low, high: what the sensitivity tries, half and
    double unless given; calibrated: chosen so that one figure comes out.
    """

    name: Text
    value: Value
    unit: str = ""
    paths: Annotated[list[str], Field(min_length=1)]
    source: Text
    low: Value | None = None
    high: Value | None = None
    calibrated: bool = False


class Figure(Model):
    """A figure of the paper, and the measure that stands for it.

    published: a number, the ends of a range, or nothing for a prediction; how: simulated (cycle by
    cycle), derived (from shapes and stated numbers) or quoted (shown only); band: deviation that
    counts as agreement, None where the paper's information allows none; calibrated: an assumption
    was chosen so that this figure comes out, which is then no evidence; why_not: what keeps the
    figure from being reproduced.
    """

    name: Text
    published: Real | tuple[Real, Real] | None = None
    unit: str = ""
    source: str = ""
    measure: str | None = None
    how: How = "simulated"
    band: Annotated[Real, Field(ge=0)] | None = BAND
    why_not: str = ""
    calibrated: bool = False

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if self.published is not None and not self.source.strip():
            raise ValueError("a published figure needs its source")
        if self.measure is None and self.how != "quoted":
            raise ValueError("a figure that is not quoted needs a measure")
        if self.how == "quoted" and not self.why_not:
            raise ValueError("a quoted figure says why_not")
        if self.published is not None and self.band is None and not self.why_not:
            raise ValueError("a figure without a band says why_not")
        return self


class Axis(Model):
    """What a curve varies: each of `values` is laid over this file at `paths`.

    A value is what stands there otherwise: a number, a quantity, a name, the sizes of a layer.
    """

    name: Text
    unit: str = ""
    paths: Annotated[list[str], Field(min_length=1)]
    values: Annotated[list[AxisValue], Field(min_length=1)]

    @field_validator("values")
    @classmethod
    def _different(cls, values: list[AxisValue]) -> list[AxisValue]:
        twice = [value for number, value in enumerate(values) if value in values[:number]]
        if twice:
            raise ValueError(f"the value {twice[0]} is there twice")
        return values


class Curve(Model):
    """A measure at every combination of the values of its axes.

    The last axis is x, the one before it has the lines, those before that the panels. published: a
    level that the paper states for it.
    """

    name: Text
    unit: str = ""
    measure: Text
    axes: Annotated[list[Axis], Field(min_length=1)]
    published: Real | None = None
    source: str = ""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.published is not None and not self.source.strip():
            raise ValueError("a published level needs its source")
        names = [axis.name for axis in self.axes]
        if len(set(names)) < len(names):
            raise ValueError("two axes have the same name")
        return self

    def axis(self, name: str) -> Axis | None:
        """An axis by its name."""
        return next((axis for axis in self.axes if axis.name == name), None)


class ExperimentFile(Model):
    """An experiment as it is written. `reduced` is laid over it for a quick run of the same parts;
    methods: adaptation methods by kind with their parameters; measures: by kind with arguments."""

    archsim_experiment: Annotated[Literal[1], Field(description="format version")]
    title: Text
    paper: Text
    learnt: Text
    chips: dict[str, Chip] = {}
    models: dict[str, ModelChoice] = {}
    methods: dict[str, dict[str, Any]] = {}
    measures: dict[str, dict[str, Any]] = {}
    assumptions: list[Assumption] = []
    figures: Annotated[list[Figure], Field(min_length=1)]
    curves: list[Curve] = []
    reduced: dict[str, Any] = {}
