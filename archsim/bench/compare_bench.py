"""`archsim bench compare`: a whole comparison, and what each method adds to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from archsim.adaptation.comparison import compare
from archsim.adaptation.comparison_file import Experiment
from archsim.schema import Record

GOAL_WHOLE_S: Final = 30.0
GOAL_METHOD_S: Final = 2.0


class MethodTime(Record):
    """Wall seconds that a method adds to a comparison in one process."""

    name: str
    wall_s: float
    goal_s: float = GOAL_METHOD_S


class CompareBench(Record):
    """Result of `archsim bench compare`. whole_s: all methods and GPUs, on `workers` processes."""

    workers: int
    whole_s: float
    goal_s: float = GOAL_WHOLE_S
    methods: list[MethodTime]


def compare_bench(
    experiment: Experiment, workers: int, progress: Callable[[str], None] | None = None
) -> CompareBench:
    """Time a loaded comparison whole, and then each method alone.

    A method alone also simulates the unadapted model, which is timed by itself and taken off.
    Raises InputError if a method does not fit.
    """
    say = progress or (lambda text: None)
    say("all methods")
    whole = _seconds(experiment, workers)
    first = next(iter(experiment.methods))
    alone = replace(experiment, gpus={})
    _seconds(replace(alone, methods={first: experiment.methods[first]}), 1)  # loads compiled code
    base = _base_seconds(alone)
    times = []
    for name, method in experiment.methods.items():
        say(name)
        wall = _seconds(replace(alone, methods={name: method}), 1)
        times.append(MethodTime(name=name, wall_s=max(wall - base, 0.0)))
    return CompareBench(workers=workers, whole_s=whole, methods=times)


def _seconds(experiment: Experiment, workers: int) -> float:
    begun = time.perf_counter()
    compare(experiment, workers=workers)
    return time.perf_counter() - begun


def _base_seconds(experiment: Experiment) -> float:
    from archsim.options import RunOptions
    from archsim.simulation import simulate

    begun = time.perf_counter()
    simulate(experiment.arch, experiment.trace, experiment.options.only(RunOptions))
    return time.perf_counter() - begun
