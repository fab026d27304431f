"""Engines turn a Program into an Activity: `reference` (SimPy) and `fast` (Numba)."""

from __future__ import annotations

from collections.abc import Callable

from archsim.engine.activity import Activity
from archsim.program import Program

ENGINES = ("fast", "reference")
SHORTCUTS = ("fold_lock_step", "merge_beats", "max_plus", "steady_state")  # of the fast engine


def run_program(
    program: Program,
    engine: str = "fast",
    progress: Callable[[int, int], None] | None = None,
    *,
    fold_lock_step: bool = True,
    merge_beats: bool = True,
    max_plus: bool = True,
    steady_state: bool = True,
) -> Activity:
    """Run a Program on the named engine; `progress(finished, total)` counts flow instances.

    The switches turn exact shortcuts of the fast engine off; docs/timing.md says why each is exact.
    """
    if engine == "fast":
        from archsim.engine.fast import run_fast

        return run_fast(
            program,
            progress,
            fold_lock_step=fold_lock_step,
            merge_beats=merge_beats,
            max_plus=max_plus,
            steady_state=steady_state,
        )
    if engine == "reference":
        from archsim.engine.reference import run_reference

        return run_reference(program, progress)
    raise ValueError(f"engine '{engine}' is not one of {', '.join(ENGINES)}")
