"""`archsim bench run`: what a user waits for, and both engines on the same Program."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from archsim.bench.timing import median_seconds, timed_process
from archsim.schema import Record

GOALS = {
    "run ResNet-18": (5.0, 700.0),
    "import archsim": (0.5, None),
    "archsim --help": (0.7, None),
}


class CommandTime(Record):
    """A whole process: medians of wall seconds and of peak memory (MB) over the runs."""

    name: str
    runs: int
    wall_s: float
    peak_mb: float
    goal_s: float | None = None
    goal_mb: float | None = None


class EngineTime(Record):
    """Both engines on one Program; equal: every finish time, wait, busy time and count is."""

    name: str
    services: int
    reference_services_per_s: float
    fast_services_per_s: float
    ratio: float
    equal: bool


class RunBench(Record):
    """Result of `archsim bench run`."""

    commands: list[CommandTime]
    engines: list[EngineTime]
    resnet18_engine_s: float
    resnet18_events_per_s: float
    resnet18_services_per_s: float


def run_bench(
    arch: Path, workload: Path, runs: int = 5, progress: Callable[[str], None] | None = None
) -> RunBench:
    """Measure; a first run of each command warms the caches and is not counted."""
    say = progress or (lambda text: None)
    python = sys.executable
    commands = {
        "run ResNet-18": [python, "-m", "archsim", "run", str(arch), str(workload), "--json"],
        "import archsim": [python, "-c", "import archsim"],
        "archsim --help": [python, "-m", "archsim", "--help"],
    }
    times = []
    for name, command in commands.items():
        say(name)
        samples = [timed_process(command) for _ in range(runs + 1)][1:]
        times.append(
            CommandTime(
                name=name,
                runs=runs,
                wall_s=statistics.median(wall for wall, _ in samples),
                peak_mb=statistics.median(peak for _, peak in samples),
                goal_s=GOALS[name][0],
                goal_mb=GOALS[name][1],
            )
        )
    say("both engines")
    engines = [_engines(runs)]
    say("ResNet-18 inside the engine")
    seconds, events, services = _resnet_engine(arch, workload, runs)
    return RunBench(
        commands=times,
        engines=engines,
        resnet18_engine_s=seconds,
        resnet18_events_per_s=events / seconds,
        resnet18_services_per_s=services / seconds,
    )


def _engines(runs: int) -> EngineTime:
    from archsim.bench.programs import contended
    from archsim.engine import NO_SHORTCUTS, run_program

    run_program(contended(4, 2))  # compiled code is loaded before anything is timed
    program, large = contended(32, 40), contended(32, 2000)
    slow, truth = median_seconds(lambda: run_program(program, "reference"), runs)
    raw = run_program(program, NO_SHORTCUTS)
    fast, _ = median_seconds(lambda: run_program(large, NO_SHORTCUTS), runs)
    slow_rate, fast_rate = program.services() / slow, large.services() / fast
    return EngineTime(
        name="contended: 32 flows, 8 ADCs, 1 bus; 40 instances on reference, 2,000 on fast",
        services=large.services(),
        reference_services_per_s=slow_rate,
        fast_services_per_s=fast_rate,
        ratio=fast_rate / slow_rate,
        equal=raw.same_as(truth),
    )


def _resnet_engine(arch: Path, workload: Path, runs: int) -> tuple[float, int, int]:
    from archsim.arch.load import load_arch
    from archsim.engine import run_program
    from archsim.mapping.lower import map_trace
    from archsim.trace.load import load_trace

    mapped = map_trace(load_arch(arch), load_trace(workload))
    run_program(mapped.program)
    seconds, activity = median_seconds(lambda: run_program(mapped.program), runs)
    return seconds, activity.events, mapped.program.services()
