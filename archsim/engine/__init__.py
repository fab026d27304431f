"""Engines turn a Program into an Activity: `reference` (SimPy) and `fast` (Numba)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from archsim.engine.activity import Activity
from archsim.program import Program

ENGINES = ("fast", "reference")


@dataclass(frozen=True)
class Engine:
    """An engine by name, and which exact shortcuts the fast one takes (docs/timing.md).

    fold_lock_step: simulate identical private chains once (archsim.engine.fold); merge_beats: work
    out private groups of stages at once (archsim.engine.merge); max_plus: the same for stages below
    the admission, and for whole flows (archsim.engine.max_plus); steady_state: jump over periods
    that repeat (archsim.engine.steady).
    """

    name: str = "fast"
    fold_lock_step: bool = True
    merge_beats: bool = True
    max_plus: bool = True
    steady_state: bool = True


SHORTCUTS = tuple(field.name for field in fields(Engine) if field.name != "name")
NO_SHORTCUTS = Engine("fast", False, False, False, False)


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
