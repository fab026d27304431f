"""`archsim bench sweep`: points per hour, and what a sweep adds to the simulation of its points."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archsim.schema import Record

GOAL = 10_000.0
"""Points per hour and core."""

COSTS_POINTS = 40
KINDS: dict[str, Callable[[int], dict[str, object]]] = {
    "costs": lambda n: {"tile.pe.adc.power": {"from": "1 mW", "to": "3 mW", "steps": n}},
    "structure": lambda n: {"tile.bus.wires": {"from": 257, "to": 256 + n, "step": 1}},
}
"""Axes of n points that differ in an energy alone, and in what the Program is made of."""


class SweepTime(Record):
    """One sweep from the moment when all workers are there and warm to its table.

    kind: what its points differ in; busy_s: seconds that workers spent on points, added up;
    efficiency: busy_s over wall x workers; point_s: a point in the process of the benchmark, median
    of a run through them before the sweeps and one after.
    """

    kind: str
    workers: int
    points: int
    wall_s: float
    busy_s: float
    point_s: float
    points_per_hour: float
    efficiency: float

    @property
    def overhead(self) -> float:
        """Time of the workers beyond that on points, as a share of that."""
        return self.wall_s * self.workers / self.busy_s - 1


class SweepBench(Record):
    """Result of `archsim bench sweep`. load_s: loading the architecture and the trace."""

    arch: str
    trace: str
    load_s: float
    sweeps: list[SweepTime]
    goal_points_per_hour: float = GOAL


def sweep_bench(
    arch: Path, workload: Path, points: int, progress: Callable[[str], None] | None = None
) -> SweepBench:
    """Sweeps of KINDS on one and two workers, and the same points in this process.

    points: of the sweep that changes structure; of the other, COSTS_POINTS times as many.
    """
    from archsim.arch.load import load_arch
    from archsim.trace.load import load_trace

    say = progress or (lambda text: None)
    begun = time.perf_counter()
    load_arch(arch), load_trace(workload)
    load_s = time.perf_counter() - begun
    sweeps = []
    for kind, axes in KINDS.items():
        number = points if kind == "structure" else COSTS_POINTS * points
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "sweep.json"
            file.write_text(json.dumps(_sweep(arch, workload, axes(number))), encoding="utf-8")
            say(f"{kind}: in this process")
            walls, timed = _in_process(file), []
            for workers in (1, 2):
                say(f"{kind}: {workers} workers" if workers > 1 else f"{kind}: 1 worker")
                timed.append(_timed(file, Path(folder) / f"out-{workers}", workers))
            walls += _in_process(file)
        point_s = statistics.median(walls)
        sweeps += [SweepTime(kind=kind, point_s=point_s, **figures) for figures in timed]
    return SweepBench(arch=str(arch), trace=str(workload), load_s=load_s, sweeps=sweeps)


def _in_process(file: Path) -> list[float]:
    """Seconds of each point but the first, which also loads compiled code."""
    from archsim.sweep.folder import read
    from archsim.sweep.names import Names
    from archsim.sweep.plan import Plan
    from archsim.sweep.worker import run_point

    model, document, inputs = read(file)
    plan = Plan(model, Names(model, document, inputs), inputs)
    return [run_point(inputs, point, []).wall_s for point in plan.points][1:]


def _sweep(arch: Path, workload: Path, axes: dict[str, object]) -> dict[str, object]:
    return {
        "archsim_sweep": 1,
        "name": "bench",
        "arch": str(arch.resolve()),
        "traces": [str(workload.resolve())],
        "axes": axes,
    }


def _timed(file: Path, out: Path, workers: int) -> dict[str, Any]:
    """A sweep without the cache. The clock starts when the workers are there and warm."""
    from archsim.sweep.folder import STORE
    from archsim.sweep.run import State, run_sweep
    from archsim.sweep.store import Store

    started: list[tuple[float, int]] = []

    def note(state: State, text: str) -> None:
        if state.done and len(started) < workers + 1:
            started.append((time.perf_counter(), state.done))

    run_sweep(file, out, workers=workers, cache=False, progress=note)
    begun, before = started[-1]  # every worker has loaded the compiled kernel by then
    wall = time.perf_counter() - begun
    with Store(out / STORE) as store:
        busy = [record["wall_s"] for _, record in store.items()][before:]
    return {
        "workers": workers,
        "points": len(busy),
        "wall_s": wall,
        "busy_s": sum(busy),
        "points_per_hour": 3600 * len(busy) / wall,
        "efficiency": sum(busy) / (wall * workers),
    }
