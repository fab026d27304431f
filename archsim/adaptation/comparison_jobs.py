"""The simulations of a comparison, in this process or spread over several."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.comparison_file import Options
from archsim.adaptation.evaluate import write
from archsim.arch.model import Architecture
from archsim.errors import InputError

Kind = Literal["inference", "once", "switch", "overlap", "learning"]
Outcome = Any  # Result, Switch, Switch, Overlap or Learning, by the kind of the job


@dataclass(frozen=True)
class Learning:
    """Learning one task on the chip: joules and seconds of all steps, and what a step needs.

    updated: pulses on a cell of the array that is worn most, of all steps; chips: with the
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
    where: dict[str, Any] = {"chips": options.most_chips, "replicate": options.replicate}
    if job.kind == "inference":
        return simulate(
            arch, adapted.trace, batch=options.batch, placement=adapted.placement, **where
        )
    if job.kind == "learning":
        return _learn(arch, options, adapted)
    where["seed"] = options.seed
    if job.kind == "overlap":
        return overlap(arch, adapted, options.overlap, **where)
    return write(arch, adapted, adapted.once if job.kind == "once" else adapted.switch, **where)


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
            yield name, _attempt(arch, options, job)
        return
    with _pool(workers, arch, options) as pool:
        names = {pool.submit(_in_worker, job): name for name, job in jobs.items()}
        waiting: set[Future[Outcome]] = set(names)
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                try:
                    yield names[future], future.result()
                except BrokenProcessPool:
                    raise InputError(
                        "a process that simulated died; it may have run out of memory.",
                        fix="Use --workers 1.",
                    ) from None


def _attempt(arch: Architecture, options: Options, job: Job) -> Outcome | InputError:
    try:
        return run_job(arch, options, job)
    except InputError as fault:
        return fault


@contextmanager
def _pool(workers: int, arch: Architecture, options: Options) -> Iterator[ProcessPoolExecutor]:
    """Processes that are ended, whatever they do, if this one is interrupted."""
    before: Sequence[Any] = multiprocessing.active_children()
    # Spawned, because a progress bar's thread runs in this process, which a fork might deadlock on.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare, initargs=(arch, options)
    )
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            if process not in before:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


_given: list[Any] = []  # in a worker: the architecture and the options


def _prepare(arch: Architecture, options: Options) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; one answers
    _given[:] = [arch, options]


def _in_worker(job: Job) -> Outcome | InputError:
    arch, options = _given
    return _attempt(arch, options, job)
