"""Which engine runs a Program, and which of its shortcuts it takes."""

from __future__ import annotations

from dataclasses import dataclass, fields

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
