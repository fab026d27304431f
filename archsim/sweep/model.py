"""The sweep file: base architecture, traces, methods, axes, derived values, strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from archsim.documents import Document, check_version, load_document, validate
from archsim.options import RunOptions
from archsim.schema import Model
from archsim.schema.ranges import Few, Integer, Real, Seed, Size

SWEEP_VERSION = 1
Scalar = bool | Integer | Real | str
Setting = Scalar | list[Scalar]


class Range(Model):
    """Values from one number to another, both included.

    With a unit, both ends are written in the same one. `steps`: how many values; `step`: the
    distance between two; a random sample or a search needs neither and then takes any value.
    """

    start: Annotated[Integer | Real | str, Field(alias="from")]
    stop: Annotated[Integer | Real | str, Field(alias="to")]
    steps: Annotated[Size, Field(description="how many values")] | None = None
    step: Annotated[Real, Field(gt=0)] | None = None
    scale: Literal["linear", "log"] = "linear"
    integer: Annotated[bool, Field(description="only whole numbers")] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.steps is not None and self.step is not None:
            raise ValueError("give 'steps' or 'step', not both.")
        if self.step is not None and self.scale == "log":
            raise ValueError("a log range takes 'steps', not 'step'.")
        return self


class Derived(Model):
    """A value worked out from others, with the source of the rule."""

    value: Scalar | list[Scalar]
    source: str = "assumption"


class Grid(Model):
    """Every combination of the axes' values."""

    kind: Literal["grid"] = "grid"


class Sample(Model):
    """`samples` points: random, Latin hypercube or Sobol (scipy.stats.qmc)."""

    kind: Literal["random", "lhs", "sobol"]
    samples: Size
    seed: Seed = 0


class Search(Model):
    """Multi-objective search with Optuna, generation by generation."""

    kind: Literal["nsga2", "tpe"]
    objectives: Annotated[
        list[str], Field(min_length=1, description="figures to minimise; 'max:tops' to maximise")
    ]
    samples: Annotated[Size, Field(description="points in all")]
    population: Annotated[Few, Field(description="points of one generation")] = 20
    seed: Seed = 0


class Cluster(Model):
    """What a job of a batch system asks for; dask-jobqueue's own settings fill in the rest."""

    queue: str | None = None
    account: str | None = None
    cores: Size = 1
    memory: str = "4 GB"
    walltime: str | None = None
    interface: Annotated[str, Field(description="network interface")] | None = None
    python: Annotated[str, Field(description="interpreter on the nodes")] | None = None
    prologue: Annotated[list[str], Field(description="lines before the worker starts")] = []
    directives: Annotated[list[str], Field(description="further lines of the job's head")] = []


class Sweep(Model):
    """A design space and how to go through it."""

    archsim_sweep: Annotated[Literal[1], Field(description="format version")]
    name: str
    description: str = ""
    arch: Annotated[str, Field(description="base architecture, from the sweep file's folder")]
    traces: Annotated[list[str], Field(min_length=1, description="traces or workloads")]
    methods: Annotated[
        list[str | dict[str, Any]],
        Field(min_length=1, description="adaptation methods, with parameters: {kind: full, ...}"),
    ] = ["none"]
    axes: dict[str, list[Setting] | Range] = {}
    derived: dict[str, Scalar | list[Scalar] | Derived] = {}
    constraints: Annotated[list[str], Field(description="what every point must meet")] = []
    run: RunOptions = RunOptions()
    strategy: Annotated[Grid | Sample | Search, Field(discriminator="kind")] = Grid()
    cluster: Cluster = Cluster()


def load_sweep(path: str | Path) -> tuple[Sweep, Document]:
    """Read a sweep file; InputError with file and line if anything is wrong."""
    document = load_document(path)
    check_version(document, "sweep", "archsim_sweep", SWEEP_VERSION)
    return validate(Sweep, document), document
