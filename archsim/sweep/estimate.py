"""What a sweep would take, found by planning all of it and simulating a few of its points."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from archsim.schema.expression import parse_expression
from archsim.sweep import folder as folders
from archsim.sweep.cache import Cache
from archsim.sweep.inputs import Inputs
from archsim.sweep.names import Names
from archsim.sweep.plan import Plan
from archsim.sweep.points import EXCLUDED, INVALID, Point, together
from archsim.sweep.results import load_rows
from archsim.sweep.worker import forget_runs, run_point

TIMED = 4
"""Structures of which points are timed, after a point that loads the compiled kernel."""


@dataclass(frozen=True)
class Estimate:
    """Points of a sweep by what is known of them, and the seconds that the rest would take.

    equal: points that equal another of the sweep; done: have a result in the folder or in the
    cache; point_s: mean, by the timed points; wall_s: on `workers` workers, start-up left out.
    Of a search the points are not known before it runs, so that all of them are `missing`.
    """

    total: int
    invalid: int
    excluded: int
    equal: int
    done: int
    missing: int
    workers: int
    point_s: float
    wall_s: float


def estimate(sweep: str | Path, *, workers: int, cache: bool = True) -> Estimate:
    """Plan a sweep file or the sweep of a folder and time a few points; nothing is written.

    Raises InputError for everything that `run_sweep` would refuse before it starts.
    """
    path = Path(sweep)
    model, document, inputs = folders.reopen(path) if path.is_dir() else folders.read(path)
    plan = Plan(model, Names(model, document, inputs), inputs)
    counts = Counter(point.status for point in plan.points)
    different = list({p.key: p for p in reversed(plan.points) if not p.status}.values())[::-1]
    known = set() if plan.searching else _known(path, different, cache)
    missing = [point for point in different if point.index not in known]
    seconds = _mean(inputs, missing, [constraint.text for constraint in plan.constraints])
    number = plan.total if plan.searching else len(missing)
    return Estimate(
        total=plan.total,
        invalid=0 if plan.searching else counts[INVALID],
        excluded=0 if plan.searching else counts[EXCLUDED],
        equal=0 if plan.searching else counts[""] - len(different),
        done=len(known),
        missing=number,
        workers=workers,
        point_s=seconds,
        wall_s=number * seconds / workers,
    )


def _known(path: Path, points: Sequence[Point], cache: bool) -> set[int]:
    here = {row["index"] for row in load_rows(path)} if path.is_dir() else set()
    store = Cache(cache)
    try:
        keys = store.get([point.key for point in points])
    finally:
        store.close()
    return {point.index for point in points if point.index in here or point.key in keys}


def _mean(inputs: Inputs, points: Sequence[Point], constraints: Sequence[str]) -> float:
    """Mean seconds of a point, by the first and second points of structures all over the sweep.

    The first point of a structure is mapped and simulated, the others are only costed anew.
    """
    if not points:
        return 0.0
    parsed = [parse_expression(text) for text in constraints]
    by_structure = [list(g) for _, g in groupby(together(points), key=lambda p: p.structure)]
    run_point(inputs, points[0], parsed)
    forget_runs()
    walls: tuple[list[float], list[float]] = ([], [])
    for group in by_structure[:: max(len(by_structure) // TIMED, 1)][:TIMED]:
        for found, point in zip(walls, group, strict=False):
            found.append(run_point(inputs, point, parsed).wall_s)
    first, other = (statistics.median(found) if found else 0.0 for found in walls)
    structures = len(by_structure)
    return (structures * first + (len(points) - structures) * other) / len(points)
