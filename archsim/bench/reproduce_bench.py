"""`archsim bench reproduce`: how long experiments take, anew and from kept values."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

GOAL_ALL_S = 300.0
GOAL_EACH_S = 60.0


class SystemTime(BaseModel):
    """Seconds of one experiment: worked out anew, and again with every value kept."""

    model_config = ConfigDict(frozen=True)

    system: str
    figures: int
    wall_s: float
    again_s: float


class ReproduceBench(BaseModel):
    """Result of `archsim bench reproduce`."""

    model_config = ConfigDict(frozen=True)

    systems: list[SystemTime]
    goal_all_s: float = GOAL_ALL_S
    goal_each_s: float = GOAL_EACH_S

    @property
    def wall_s(self) -> float:
        """Seconds of all experiments together."""
        return sum(system.wall_s for system in self.systems)


def reproduce_bench(
    names: Sequence[str] = (), progress: Callable[[str], None] | None = None
) -> ReproduceBench:
    """Time the experiments of the named systems, or of all, with an empty store of values."""
    from archsim.reproduce.load import load_experiment, systems
    from archsim.reproduce.run import run_experiment

    times = []
    for name in names or systems():
        experiment = load_experiment(name)
        if progress is not None:
            progress(name)
        with tempfile.TemporaryDirectory() as folder:
            walls = []
            for _ in range(2):
                begun = time.perf_counter()
                result = run_experiment(experiment, cache=Path(folder))
                walls.append(time.perf_counter() - begun)
        times.append(
            SystemTime(system=name, figures=len(result.figures), wall_s=walls[0], again_s=walls[1])
        )
    return ReproduceBench(systems=times)
