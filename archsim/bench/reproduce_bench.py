"""`archsim bench reproduce`: how long experiments take, anew and from kept values."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from archsim.schema import Record

GOAL_ALL_S = 300.0
GOAL_EACH_S = 60.0


class SystemTime(Record):
    """Seconds of one experiment: worked out anew, and again with every value kept."""

    system: str
    figures: int
    wall_s: float
    again_s: float


class ReproduceBench(Record):
    """Result of `archsim bench reproduce`. together_s: seconds of all at once in `workers`
    processes, with nothing kept."""

    systems: list[SystemTime]
    workers: int
    together_s: float
    goal_all_s: float = GOAL_ALL_S
    goal_each_s: float = GOAL_EACH_S


def reproduce_bench(
    names: Sequence[str] = (), workers: int = 1, progress: Callable[[str], None] | None = None
) -> ReproduceBench:
    """Time the experiments of the named systems, or of all: one by one, then together."""
    from archsim.reproduce.load import load_experiment, systems
    from archsim.reproduce.run import run_experiment
    from archsim.reproduce.together import Options, run_experiments

    report = progress or (lambda name: None)
    names, times = list(names or systems()), []
    for name in names:
        experiment = load_experiment(name)
        report(name)
        with tempfile.TemporaryDirectory() as folder:
            walls = []
            for _ in range(2):
                begun = time.perf_counter()
                result = run_experiment(experiment, cache=Path(folder))
                walls.append(time.perf_counter() - begun)
        times.append(
            SystemTime(system=name, figures=len(result.figures), wall_s=walls[0], again_s=walls[1])
        )
    report(f"together, {workers} processes")
    begun = time.perf_counter()
    for _ in run_experiments(names, Options(), workers=workers):
        pass
    together = time.perf_counter() - begun
    return ReproduceBench(systems=times, workers=workers, together_s=together)
