"""`archsim bench engine`: the same Programs on both engines, with and without shortcuts."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archsim.bench.programs import contended, pipelined
from archsim.bench.timing import median_seconds, peak_mb
from archsim.engine import SHORTCUTS, Engine
from archsim.engine.activity import Activity
from archsim.program import Program
from archsim.schema import Record

CONTENDED = "contended: 32 flows, 8 ADCs, 1 bus"
PIPELINED = "pipelined: the same in 8 pipelines"
SYNTHETIC: dict[str, Callable[[int], Program]] = {  # by instances of each flow
    CONTENDED: partial(contended, 32),
    PIPELINED: partial(pipelined, 32),
}
INSTANCES = 2000


class MappedCase(NamedTuple):
    """A model on a chip; chips: how many, None for as many as the model needs.

    replicate: more than one copy of a layer, as `archsim run` makes; reduced: built-in model,
    prompt and decode of the instance that runs without shortcuts.
    """

    name: str
    arch: str
    workload: str
    chips: int | None = 1
    replicate: bool = True
    reduced: tuple[str, int, int] | None = None


MAPPED = (
    MappedCase("ResNet-18 on ISAAC", "arch_configs/isaac.yaml", "workloads/resnet18.yaml"),
    MappedCase(
        "MiniLM on ISAAC + vector units",
        "arch_configs/isaac_vpu.yaml",
        "traces/minilm_l6.trace.json",
    ),
    MappedCase(
        "LLaMA-3.2-1B, prompt 2,048 and decode 256, on ISAAC for language models, --no-replicate",
        "arch_configs/isaac_llm.yaml",
        "workloads/llama_3.2_1b.yaml",
        chips=None,
        replicate=False,
        reduced=("llama-3.2-1b", 16, 4),
    ),
)
SETTINGS: dict[str, tuple[str, ...]] = {  # the switches that are off, by option of `archsim run`
    "all shortcuts": (),
    "--no-fold": ("fold_lock_step",),
    "--no-merge-beats": ("merge_beats",),
    "--no-max-plus": ("max_plus",),
    "--no-steady-state": ("steady_state",),
    "none": SHORTCUTS,
}


class Setting(Record):
    """The fast engine with some shortcuts, see SETTINGS; wall_s: median inside the engine."""

    shortcuts: str
    wall_s: float
    events: int
    digest: str


class ProgramBench(Record):
    """Both engines on one Program.

    The reference runs the first `reference_services` services of it, of `contended` a Program with
    fewer instances; equal: every instance that finished by then finished at the same tick in
    the fast engine, no other did, and all settings agree on all finish times (digest).
    fast_services_per_s is without shortcuts; wall_s, ticks_per_s and peak_mb are with all of them.
    reduced: the smaller instance that the settings and the reference ran, where the whole Program
    would take minutes without shortcuts; wall_s and peak_mb are of the whole.
    """

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
    reduced: str = ""


class EngineBench(Record):
    """Result of `archsim bench engine`."""

    programs: list[ProgramBench]


def engine_bench(
    root: Path, runs: int, reference_services: int, progress: Callable[[str], None] | None = None
) -> EngineBench:
    """Measure every Program in a process of its own; paths of chips and models start at `root`."""
    say = progress or (lambda text: None)
    found = []
    for name in (*SYNTHETIC, *(case.name for case in MAPPED)):
        say(name)
        # A fresh process each, so that peak memory is that of this Program.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found.append(pool.submit(measure, name, root, runs, reference_services).result())
    return EngineBench(programs=found)


def build(name: str, root: Path) -> Program:
    """The Program of a benchmark row."""
    if name in SYNTHETIC:
        return SYNTHETIC[name](INSTANCES)
    from archsim.arch.load import load_arch
    from archsim.mapping.lower import map_trace
    from archsim.trace.load import load_trace

    case = next(case for case in MAPPED if case.name == name)
    arch, trace = load_arch(root / case.arch), load_trace(root / case.workload)
    return map_trace(arch, trace, chips=case.chips, replicate=case.replicate).program


def build_reduced(name: str, root: Path) -> tuple[Program, str] | None:
    """The smaller instance of a row and what it is; None if the whole one is small enough."""
    case = next((case for case in MAPPED if case.name == name), None)
    if case is None or case.reduced is None:
        return None
    from archsim.arch.load import load_arch
    from archsim.mapping.lower import map_trace
    from archsim.models.build import build_trace
    from archsim.models.extent import Extent
    from archsim.models.load import load_config

    model, seq, decode = case.reduced
    config = load_config(model)
    trace = build_trace(config, Extent(seq=seq, decode=decode), made_by="archsim bench engine")
    arch = load_arch(root / case.arch)
    program = map_trace(arch, trace, chips=case.chips, replicate=case.replicate).program
    return program, f"{model}, prompt {seq} and decode {decode}"


def measure(name: str, root: Path, runs: int, reference_services: int) -> ProgramBench:
    """One row of the benchmark."""
    from archsim.engine import run_program

    program = build(name, root)
    run_program(contended(4, 2))  # compiled code is loaded before anything is timed
    run_program(program)
    peak = peak_mb(resource.getrusage(resource.RUSAGE_SELF))  # with all shortcuts
    whole, reduced = program, build_reduced(name, root)
    wall = makespan = None
    if reduced is not None:
        wall, run_of_whole = median_seconds(partial(run_program, whole), runs)
        makespan, program = run_of_whole.makespan, reduced[0]
    walls: dict[str, list[float]] = {label: [] for label in SETTINGS}
    activities: dict[str, Activity] = {}
    for _ in range(runs):  # in turn, so that what else the machine does falls on all of them
        for label, off in SETTINGS.items():
            run = partial(run_program, program, Engine("fast", **dict.fromkeys(off, False)))
            seconds, activities[label] = median_seconds(run, 1)
            walls[label].append(seconds)
    settings = [
        Setting(
            shortcuts=label,
            wall_s=statistics.median(walls[label]),
            events=activity.events,
            digest=activity.digest(),
        )
        for label, activity in activities.items()
    ]
    activity = activities["none"]
    if name == CONTENDED:  # here all instances are ready at once; SimPy would make them all
        build_part = SYNTHETIC[name]
        program_part = build_part(-(-reference_services // build_part(1).services()))
        truth = run_program(program_part)
    else:
        program_part, truth = program, activity
    services, seconds, agrees = _reference(program_part, truth, reference_services)
    rate, fast_rate = services / seconds, program.services() / settings[-1].wall_s
    return ProgramBench(
        name=name,
        services=whole.services(),
        reference_services=services,
        reference_services_per_s=rate,
        fast_services_per_s=fast_rate,
        ratio=fast_rate / rate,
        equal=agrees and len({s.digest for s in settings}) == 1,
        wall_s=wall or settings[0].wall_s,
        ticks_per_s=(makespan or activity.makespan) / (wall or settings[0].wall_s),
        peak_mb=peak,
        settings=settings,
        reduced=reduced[1] if reduced else "",
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
