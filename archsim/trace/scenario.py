"""Scenarios: requests for inferences of a trace, each at a time and for a task.

What a change of the task costs is not said here: that is for a method of adaptation to answer.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field

from archsim.documents import Document, check_version, load_document, validate
from archsim.errors import InputError
from archsim.schema import Model
from archsim.schema.ranges import Seed, Size, Total
from archsim.schema.units import POSITIVE, Duration, Frequency
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

SCENARIO_VERSION: Final = 1
SCENARIO_KEY: Final = "archsim_scenario"
MOST_TASKS = 1_000_000  # their names are listed
MOST_DRAWS = 20_000_000  # steps of a shuffle, tasks times requests: some seconds


class Request(NamedTuple):
    """Inferences asked for at one time: arrival in seconds, the task by its name."""

    arrival: float
    task: str
    inferences: int


class RequestRecord(Model):
    """One line of a scenario's `requests`."""

    arrival: Duration
    task: Annotated[str, Field(min_length=1)]
    inferences: Size = 1


class Every(Model):
    """Requests at equal distances, the first at 0."""

    every: Annotated[Duration, POSITIVE]


class Poisson(Model):
    """A Poisson process: independent, exponentially distributed gaps; `poisson` is its rate."""

    poisson: Annotated[Frequency, POSITIVE]


class Generator(Model):
    """Requests by rule. Tasks are named task0, task1, ...

    order: `sequence` finishes one task before the next, `round_robin` changes the task with every
    request, `random` shuffles all requests. seed: of the shuffle and of the Poisson gaps.
    """

    tasks: Annotated[Size, Field(le=MOST_TASKS)]
    inferences_per_task: Annotated[Total, Field(ge=1)]
    inferences_per_request: Annotated[Total, Field(ge=1)] = 1
    order: Literal["sequence", "round_robin", "random"] = "sequence"
    arrivals: Literal["all_at_once"] | Every | Poisson = "all_at_once"
    seed: Seed = 0

    @property
    def count(self) -> int:
        """Number of requests."""
        return self.tasks * (self.inferences_per_task // self.inferences_per_request)


class ScenarioFile(Model):
    """A scenario as it is written: one of `requests` and `generator`."""

    archsim_scenario: Annotated[Literal[1], Field(description="format version")]
    name: Annotated[str, Field(min_length=1)]
    trace: Annotated[str, Field(min_length=1, description="trace or workload, from this file")]
    requests: Annotated[list[RequestRecord] | None, Field(min_length=1)] = None
    generator: Generator | None = None


@dataclass(frozen=True)
class Scenario:
    """A trace and the requests for it, in order of their arrival."""

    name: str
    trace: Trace
    trace_path: Path
    source: tuple[Request, ...] | Generator

    def requests(self) -> Iterator[Request]:
        """The requests one by one; those of a generator are made as they are asked for."""
        if isinstance(self.source, Generator):
            return _generated(self.source)
        return iter(self.source)

    def count(self) -> int:
        """Number of requests."""
        return self.source.count if isinstance(self.source, Generator) else len(self.source)

    def inferences(self) -> int:
        """Inferences of all requests."""
        if isinstance(self.source, Generator):
            return self.source.tasks * self.source.inferences_per_task
        return sum(request.inferences for request in self.source)

    def switches(self) -> int:
        """How often a request is for another task than the one before it.

        The first request changes nothing: the chip is taken to be set up for its task. A shuffled
        order is walked through, the others are counted in closed form.
        """
        if isinstance(self.source, Generator) and self.source.order != "random":
            if self.source.order == "sequence":
                return self.source.tasks - 1
            return self.source.count - 1 if self.source.tasks > 1 else 0
        return sum(a.task != b.task for a, b in pairwise(self.requests()))

    def tasks(self) -> list[str]:
        """The tasks, in the order in which they first appear in the file or in the rule."""
        if isinstance(self.source, Generator):
            return [_task(number) for number in range(self.source.tasks)]
        return list(dict.fromkeys(request.task for request in self.source))


def load_scenario(path: str | Path) -> Scenario:
    """Read a scenario and its trace.

    Raises InputError for an unreadable file, fields that do not validate, both or neither of
    `requests` and `generator`, arrivals out of order, and a trace that cannot be loaded.
    """
    return scenario_from_document(load_document(path))


def scenario_from_document(document: Document) -> Scenario:
    """The scenario in a document; raises as `load_scenario` does."""
    check_version(document, "scenario", SCENARIO_KEY, SCENARIO_VERSION)
    file = validate(ScenarioFile, document)
    source = _source(file, document)
    path = Path(os.path.normpath(document.path.parent / file.trace))
    if not path.is_file():
        raise InputError(
            f"there is no trace '{file.trace}'.",
            document.location(("trace",)),
            "Give its path from the folder of this file.",
        )
    return Scenario(file.name, load_trace(path), path, source)


def _source(file: ScenarioFile, document: Document) -> tuple[Request, ...] | Generator:
    if (file.requests is None) == (file.generator is None):
        both = file.requests is not None
        raise InputError(
            "a scenario has both requests and a generator."
            if both
            else "a scenario has neither requests nor a generator.",
            document.location(("generator",) if both else ()),
            "Give one of `requests:` and `generator:`.",
        )
    if file.requests is not None:
        for i, (before, after) in enumerate(pairwise(file.requests), start=1):
            if after.arrival < before.arrival:
                raise InputError(
                    f"this request arrives at {after.arrival:g} s, before the one above it "
                    f"({before.arrival:g} s).",
                    document.location(("requests", i, "arrival")),
                    "List the requests in order of their arrival.",
                )
        return tuple(Request(r.arrival, r.task, r.inferences) for r in file.requests)
    assert file.generator is not None
    if file.generator.inferences_per_task % file.generator.inferences_per_request:
        raise InputError(
            f"{file.generator.inferences_per_task} inferences of a task are not a whole number of "
            f"requests of {file.generator.inferences_per_request}.",
            document.location(("generator", "inferences_per_request")),
            "Use a divisor of inferences_per_task.",
        )
    draws = file.generator.tasks * file.generator.count
    if file.generator.order == "random" and draws > MOST_DRAWS:
        raise InputError(
            f"shuffling {file.generator.count} requests of {file.generator.tasks} tasks takes "
            f"{draws} steps, at most {MOST_DRAWS} are made.",
            document.location(("generator", "order")),
            "Use fewer tasks or requests, or another order.",
        )
    return file.generator


def _generated(rule: Generator) -> Iterator[Request]:
    for number, arrival in zip(_order(rule), _arrivals(rule), strict=False):
        yield Request(arrival, _task(number), rule.inferences_per_request)


def _task(number: int) -> str:
    return f"task{number}"


def _order(rule: Generator) -> Iterator[int]:
    each = rule.inferences_per_task // rule.inferences_per_request
    if rule.order == "sequence":
        yield from (task for task in range(rule.tasks) for _ in range(each))
    elif rule.order == "round_robin":
        yield from (task for _ in range(each) for task in range(rule.tasks))
    else:
        yield from _shuffled([each] * rule.tasks, random.Random(f"order {rule.seed}"))


def _shuffled(left: list[int], source: random.Random) -> Iterator[int]:
    """Every order of the tasks is equally likely: each draw is one of the requests still left.

    left: requests of each task; it is used up. Only as many numbers are held as there are tasks.
    """
    for total in range(sum(left), 0, -1):
        pick = int(source.random() * total)
        task = 0
        while pick >= left[task]:
            pick -= left[task]
            task += 1
        left[task] -= 1
        yield task


def _arrivals(rule: Generator) -> Iterator[float]:
    """Endless; the shuffle and the gaps draw from sources of their own."""
    if isinstance(rule.arrivals, Poisson):
        source, time = random.Random(f"arrivals {rule.seed}"), 0.0
        while True:
            time -= math.log(1.0 - source.random()) / rule.arrivals.poisson
            yield time
    step = rule.arrivals.every if isinstance(rule.arrivals, Every) else 0.0
    number = 0
    while True:
        yield number * step
        number += 1
