"""The Activity: what happened when a Program ran."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from archsim.program import Ints, Program


@dataclass(frozen=True)
class Activity:
    """Result of an engine; all times in ticks.

    finish: per flow, (N,) finish time of every instance; first_start: (F,) start of the first
    service; wait: (S,) ticks between ready and start summed over all beats of a stage; events:
    ends of services that the engine looked at one by one (fewer than `Program.services()` if it
    folded stages or merged beats).
    """

    engine: str
    finish: tuple[Ints, ...]
    first_start: Ints
    wait: Ints
    busy: Ints
    counts: Ints
    events: int

    @property
    def makespan(self) -> int:
        """When the last instance finished."""
        return max(int(f.max()) for f in self.finish)

    def digest(self) -> str:
        """A hash over every finish time, to compare runs."""
        sha = hashlib.sha256()
        for times in self.finish:
            sha.update(np.ascontiguousarray(times).tobytes())
        return sha.hexdigest()[:16]

    def same_as(self, other: Activity) -> bool:
        """True if every finish time, start, wait, busy time and count is equal."""
        return (
            len(self.finish) == len(other.finish)
            and all(np.array_equal(a, b) for a, b in zip(self.finish, other.finish, strict=True))
            and all(
                np.array_equal(getattr(self, name), getattr(other, name))
                for name in ("first_start", "wait", "busy", "counts")
            )
        )


def admission(program: Program, finish: tuple[Ints, ...], flow: int) -> tuple[Ints, Ints]:
    """When each instance of a flow became ready, and which edge it was that let it.

    Returns (ready, edge), both (N,); edge is -1 where nothing was waited for. Ties go to the edge
    of lowest index.
    """
    count = int(program.flow_instances[flow])
    instances = np.arange(count, dtype=np.int64)
    ready = np.zeros(count, np.int64)
    blame = np.full(count, -1, np.int64)
    for edge in np.flatnonzero(program.edge_child == flow):
        done = np.maximum.accumulate(finish[int(program.edge_parent[edge])])
        need = program.needed(int(edge), instances)
        when = np.where(need >= 0, done[np.maximum(need, 0)], 0)
        later = when > ready
        ready = np.where(later, when, ready)
        blame = np.where(later, edge, blame)
    return np.maximum.accumulate(ready), blame
