"""Several experiments at once, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.reproduce.load import load_experiment
from archsim.reproduce.result import ExperimentResult
from archsim.reproduce.run import run_experiment
from archsim.system.processes import channel, spread

Progress = Callable[[str, str, int, int], None]  # (system, step, steps done, steps there are)


@dataclass(frozen=True)
class Options:
    """How experiments run: with fewer layers, and with the keywords of `run_experiment`."""

    reduced: bool = False
    cache: Path | None = None
    sensitivity: bool = True


def run_experiments(
    systems: Sequence[str],
    options: Options,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[ExperimentResult]:
    """Results of experiments (names of systems, or paths), as they are done.

    workers: processes, of which each keeps one core busy; 1: in this one. Ctrl-C ends them. Raises
    InputError as `run_experiment` does.
    """
    report = progress or (lambda system, step, done, total: None)
    if min(workers, len(systems)) <= 1:
        for system in systems:
            yield _run(system, options, report)
        return
    steps = channel()

    def tell() -> None:
        while not steps.empty():
            report(*steps.get())

    jobs = {system: system for system in systems}
    for _, result in spread(_in_worker, jobs, workers, (options, steps), tell):
        yield result


def _run(system: str, options: Options, report: Progress) -> ExperimentResult:
    experiment = load_experiment(system)
    return run_experiment(
        experiment.reduced() if options.reduced else experiment,
        cache=options.cache,
        sensitivity=options.sensitivity,
        progress=lambda step, done, total: report(experiment.system, step, done, total),
    )


def _in_worker(system: str, options: Options, steps: Any) -> ExperimentResult:
    return _run(system, options, lambda *step: steps.put(step))
