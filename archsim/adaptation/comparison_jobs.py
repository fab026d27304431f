"""The simulations of a comparison, in this process or spread over several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.comparison_file import Options
from archsim.adaptation.evaluate import write
from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.options import RunOptions
from archsim.system.processes import spread

Kind = Literal["inference", "once", "switch", "overlap", "learning"]
Outcome = Any  # Result, Switch, Switch, Overlap or Learning, by the kind of the job


@dataclass(frozen=True)
class Learning:
    """Learning one task on the chip: joules and seconds of all steps, and what a step needs.

    updated: cycles of a cell of the array that is worn most, of all steps; chips: with the
    transposed weights.
    """

    joules: float
    seconds: float
    peak_bits: int
    updated: float
    chips: int


@dataclass(frozen=True)
class Job:
    """One simulation of an adapted model."""

    kind: Kind
    adapted: Adapted


def run_job(arch: Architecture, options: Options, job: Job) -> Outcome:
    """Simulate; raises InputError if the chip cannot do it."""
    from archsim.adaptation.overlap import overlap
    from archsim.simulation import simulate

    adapted = job.adapted
    run = options.only(RunOptions)
    if job.kind == "inference":
        return simulate(arch, adapted.trace, run, placement=adapted.placement)
    if job.kind == "learning":
        return _learn(arch, options, adapted)
    if job.kind == "overlap":
        return overlap(arch, adapted, options.overlap, run, seed=options.seed)
    rewrites = adapted.once if job.kind == "once" else adapted.switch
    return write(arch, adapted, rewrites, run, seed=options.seed)


def _learn(arch: Architecture, options: Options, adapted: Adapted) -> Learning:
    from archsim.adaptation.learn import chip_step
    from archsim.learning import learning_work

    learn, precision = options.learn, adapted.trace.precision
    assert learn is not None  # a learning job is made only then
    work = learning_work(
        adapted.trace,
        adapted.trainable,
        biases=adapted.biases,
        optimizer=learn.optimizer,
        batch=learn.batch,
        weight_bits=precision.weight,
        activation_bits=precision.input,
        gradient_bits=precision.input,
    )
    step = chip_step(arch, adapted, work, seed=options.seed)
    return Learning(
        joules=learn.steps * step.joules,
        seconds=learn.steps * step.seconds,
        peak_bits=work.peak_bits,
        updated=learn.steps * step.update.wear,
        chips=step.passes.chips,
    )


def run_jobs(
    arch: Architecture,
    options: Options,
    jobs: Mapping[str, Job],
    *,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Outcome | InputError]:
    """Outcomes by the names of the jobs; an InputError stands for itself.

    workers: processes, of which each keeps one core busy; 1: in this one. progress: told the name
    of a job that is done, how many are and how many there are. Ctrl-C ends the processes.
    """
    done: dict[str, Outcome | InputError] = {}
    for name, outcome in _outcomes(arch, options, jobs, min(workers, len(jobs))):
        done[name] = outcome
        if progress is not None:
            progress(name, len(done), len(jobs))
    return done


def _outcomes(
    arch: Architecture, options: Options, jobs: Mapping[str, Job], workers: int
) -> Iterator[tuple[str, Outcome | InputError]]:
    if workers <= 1:
        for name, job in jobs.items():
            yield name, _attempt(job, arch, options)
        return
    yield from spread(_attempt, jobs, workers, (arch, options))


def _attempt(job: Job, arch: Architecture, options: Options) -> Outcome | InputError:
    try:
        return run_job(arch, options, job)
    except InputError as fault:
        return fault
