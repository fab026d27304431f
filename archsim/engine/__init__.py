"""Engines turn a Program into an Activity: `reference` (SimPy) and `fast` (Numba)."""

from __future__ import annotations

from collections.abc import Callable

from archsim.engine.activity import Activity
from archsim.engine.options import ENGINES, NO_SHORTCUTS, SHORTCUTS, Engine
from archsim.program import Program

__all__ = ["ENGINES", "NO_SHORTCUTS", "SHORTCUTS", "Activity", "Engine", "run_program"]


def run_program(
    program: Program,
    engine: Engine | str = "fast",
    progress: Callable[[int, int], None] | None = None,
) -> Activity:
    """Run a Program on an engine; `progress(finished, total)` counts flow instances."""
    engine = Engine(engine) if isinstance(engine, str) else engine
    if engine.name == "fast":
        from archsim.engine.fast import run_fast

        return run_fast(program, engine, progress)
    if engine.name == "reference":
        from archsim.engine.reference import run_reference

        return run_reference(program, progress)
    raise ValueError(f"engine '{engine.name}' is not one of {', '.join(ENGINES)}")
