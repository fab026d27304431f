"""The YAML of an experiment: chips, models, measures, and the published figures they stand for."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from archsim.schema import Model

EXPERIMENT_KEY: Final = "archsim_experiment"
EXPERIMENT_VERSION: Final = 1
How = Literal["simulated", "derived", "quoted"]
Text = Annotated[str, Field(min_length=1)]
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
    the layer, run at `seq` positions, in `rotations` forms of each input (block-circulant weights,
    of which the layer then holds one vector per block); prune: share of the channels taken out;
    norms: put a batch norm behind every convolution, where a trace has them folded in.
    """

    trace: str | None = None
    config: str | None = None
    linear: tuple[PositiveInt, PositiveInt] | None = None
    rotations: PositiveInt = 1
    sizes: dict[str, Any] = {}
    seq: PositiveInt | None = None
    decode: Annotated[int, Field(ge=0)] = 0
    sequences: PositiveInt = 1
    image: PositiveInt | None = None
    head: bool = True
    weight_bits: PositiveInt = 8
    input_bits: PositiveInt = 8
    prune: Annotated[float, Field(ge=0, lt=1)] = 0.0
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
    value: int | float | str
    unit: str = ""
    paths: Annotated[list[str], Field(min_length=1)]
    source: Text
    low: int | float | str | None = None
    high: int | float | str | None = None
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
    published: float | tuple[float, float] | None = None
    unit: str = ""
    source: str = ""
    measure: str | None = None
    how: How = "simulated"
    band: Annotated[float, Field(ge=0)] | None = BAND
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
    reduced: dict[str, Any] = {}
