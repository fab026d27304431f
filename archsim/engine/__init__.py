"""Engines turn a Program into an Activity: `reference` (SimPy) and `fast` (Numba)."""

from __future__ import annotations

from collections.abc import Callable

from archsim.engine.activity import Activity
from archsim.program import Program

ENGINES = ("fast", "reference")


def run_program(
    program: Program,
    engine: str = "fast",
    progress: Callable[[int, int], None] | None = None,
    *,
    fold_lock_step: bool = True,
    merge_beats: bool = True,
) -> Activity:
    """Run a Program on the named engine; `progress(finished, total)` counts flow instances."""
    if engine == "fast":
        from archsim.engine.fast import run_fast

        return run_fast(program, progress, fold_lock_step=fold_lock_step, merge_beats=merge_beats)
    if engine == "reference":
        from archsim.engine.reference import run_reference

        return run_reference(program, progress)
    raise ValueError(f"engine '{engine}' is not one of {', '.join(ENGINES)}")
