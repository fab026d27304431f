"""From how many inferences per task on one method is cheaper than another, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsim.adaptation.amortise import Line

Answer = Literal["always", "never", "from", "until", "equal"]


@dataclass(frozen=True)
class BreakEven:
    """When a line is below another one, over all n > 0 inferences per task.

    inferences_per_task: where they cross, for the answers `from` (below beyond it) and `until`
    (below before it).
    """

    answer: Answer
    inferences_per_task: float | None = None


def break_even(own: Line, other: Line) -> BreakEven:
    """Where `own` is cheaper than `other`.

    a1 + b1 / n = a2 + b2 / n at n = (b1 - b2) / (a2 - a1). Where one line has both the smaller
    cost per inference and the smaller cost per task they do not cross at a positive n.
    """
    each, per_task = other.each - own.each, own.per_task - other.per_task
    if each == 0 and per_task == 0:
        return BreakEven("equal")
    if each >= 0 and per_task <= 0:
        return BreakEven("always")
    if each <= 0 and per_task >= 0:
        return BreakEven("never")
    return BreakEven("from" if each > 0 else "until", per_task / each)
