"""`archsim bench engine`: the same Programs on both engines, with and without shortcuts."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from archsim.bench.timing import median_seconds, peak_mb
from archsim.engine.activity import Activity
from archsim.program import Program

CONTENDED = "contended: 32 flows, 8 ADCs, 1 bus"
MAPPED = {
    "ResNet-18 on ISAAC": ("arch_configs/isaac.yaml", "workloads/resnet18.yaml"),
    "MiniLM on ISAAC + vector units": (
        "arch_configs/isaac_vpu.yaml",
        "traces/minilm_l6.trace.json",
    ),
}
SETTINGS = {  # shortcut switches: (fold_lock_step, merge_beats)
    "all shortcuts": (True, True),
    "no merged beats": (True, False),
    "no folding": (False, True),
    "none": (False, False),
}


class Setting(BaseModel):
    """The fast engine with some shortcuts; wall_s: median inside the engine."""

    model_config = ConfigDict(frozen=True)

    shortcuts: str
    wall_s: float
    events: int
    digest: str


class ProgramBench(BaseModel):
    """Both engines on one Program.

    The reference runs the first `reference_services` services of it, of the synthetic Program one
    with fewer instances; equal: every instance that finished by then finished at the same tick in
    the fast engine, no other did, and all settings agree on all finish times (digest).
    fast_services_per_s is without shortcuts; wall_s, ticks_per_s and peak_mb are with all of them.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    services: int
    reference_services: int
    reference_services_per_s: float
    fast_services_per_s: float
    ratio: float
    equal: bool
    wall_s: float
    ticks_per_s: float
    peak_mb: float
    settings: list[Setting]


class EngineBench(BaseModel):
    """Result of `archsim bench engine`."""

    model_config = ConfigDict(frozen=True)

    programs: list[ProgramBench]


def engine_bench(
    root: Path, runs: int, reference_services: int, progress: Callable[[str], None] | None = None
) -> EngineBench:
    """Measure every Program in a process of its own; paths of chips and models start at `root`."""
    say = progress or (lambda text: None)
    found = []
    for name in (CONTENDED, *MAPPED):
        say(name)
        # A fresh process each, so that peak memory is that of this Program.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found.append(pool.submit(measure, name, root, runs, reference_services).result())
    return EngineBench(programs=found)


def build(name: str, root: Path) -> Program:
    """The Program of a benchmark row."""
    if name == CONTENDED:
        from archsim.bench.programs import contended

        return contended(32, 2000)
    from archsim.arch.load import load_arch
    from archsim.mapping.lower import map_trace
    from archsim.trace.load import load_trace

    arch, trace = MAPPED[name]
    return map_trace(load_arch(root / arch), load_trace(root / trace)).program


def measure(name: str, root: Path, runs: int, reference_services: int) -> ProgramBench:
    """One row of the benchmark."""
    from archsim.bench.programs import contended
    from archsim.engine import run_program

    program = build(name, root)
    run_program(contended(4, 2))  # compiled code is loaded before anything is timed
    settings: list[Setting] = []
    peak = 0.0
    for label, (fold, merge) in SETTINGS.items():
        run = partial(run_program, program, fold_lock_step=fold, merge_beats=merge)
        seconds, activity = median_seconds(run, runs)
        settings.append(
            Setting(
                shortcuts=label,
                wall_s=seconds,
                events=activity.events,
                digest=activity.digest(),
            )
        )
        peak = peak or peak_mb(resource.getrusage(resource.RUSAGE_SELF))  # with all shortcuts
    if name == CONTENDED:  # here all instances are ready at once; SimPy would make them all
        program_part = contended(32, -(-reference_services // contended(32, 1).services()))
        truth = run_program(program_part)
    else:
        program_part, truth = program, activity
    services, seconds, agrees = _reference(program_part, truth, reference_services)
    rate, fast_rate = services / seconds, program.services() / settings[-1].wall_s
    return ProgramBench(
        name=name,
        services=program.services(),
        reference_services=services,
        reference_services_per_s=rate,
        fast_services_per_s=fast_rate,
        ratio=fast_rate / rate,
        equal=agrees and len({s.digest for s in settings}) == 1,
        wall_s=settings[0].wall_s,
        ticks_per_s=activity.makespan / settings[0].wall_s,
        peak_mb=peak,
        settings=settings,
    )


def _reference(program: Program, truth: Activity, services: int) -> tuple[int, float, bool]:
    """(services run, seconds, agrees) of the first part of a Program on the reference engine."""
    from archsim.engine.reference import Reference

    run = Reference(program)
    begun = time.perf_counter()
    run.begin()
    run.run_part(services)
    seconds = time.perf_counter() - begun
    agrees = all(
        np.array_equal(np.where(fast <= run.env.now, fast, -1), slow)
        for fast, slow in zip(truth.finish, run.finish, strict=True)
    )
    return run.events, seconds, agrees
