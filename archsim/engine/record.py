"""The service log: who was served when, row by row, for time lines and checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archsim.engine import ENGINES
from archsim.engine.activity import Activity
from archsim.program import Ints, Program

Sink = Callable[[Ints], None]
ROWS = 1 << 20  # services between two calls of the sink, give or take those of one tick


def run_recorded(
    program: Program,
    sink: Sink,
    progress: Callable[[int, int], None] | None = None,
    engine: str = "fast",
) -> Activity:
    """Run a Program with every shortcut off and hand every single service to `sink`.

    sink: called with int64 arrays (k, 4) of (stage, instance, start, end) in ticks, k up to about a
    million, ordered by (start, stage, instance); equal rows are beats of one stage that run at the
    same time. Both engines give the same rows. Raises what `run_program` raises; what happened up
    to then has been handed on.
    """
    if engine == "fast":
        from archsim.engine.fast import run_logged

        return run_logged(program, lambda rows: sink(_ordered(rows)), ROWS, progress)
    if engine == "reference":
        return _run_reference(program, sink, progress)
    raise ValueError(f"engine '{engine}' is not one of {', '.join(ENGINES)}")


def _run_reference(
    program: Program, sink: Sink, progress: Callable[[int, int], None] | None
) -> Activity:
    from archsim.engine.reference import Reference

    run = Reference(program, progress)
    run.log = []
    run.begin()
    running = True
    while running:
        running = run.run_part(ROWS)
        if run.log:
            sink(_ordered(np.asarray(run.log, np.int64)))
            run.log = []
    return run.activity()


def _ordered(rows: Ints) -> Ints:
    """Rows in the order (start, stage, instance)."""
    return rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 2]))]
