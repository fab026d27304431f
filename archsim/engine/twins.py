"""Compiled: which stages of a Program run in lock-step (archsim.engine.fold)."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def find_twins(parent_ptr, parents, lane, private, kind):  # type: ignore[no-untyped-def]
    """The stage that stands for each stage, and the parents of those that are kept.

    lane, private: (S,); kind: (S, K) what alike stages have in common. Returns (S,) the earliest
    stage in lock-step, (S,) how many parents each kept stage has left, and those parents in order.
    """
    stages = len(lane)
    twin = np.arange(stages)
    begin = np.zeros(stages, np.int64)  # of a kept stage's parents in `own`
    length = np.zeros(stages, np.int64)
    own = np.empty(len(parents), np.int64)
    below = np.full(stages, -1, np.int64)  # the last private stage kept with this first parent
    rootless = np.full(lane.max() + 1, -1, np.int64)  # the same for stages without parents
    following = np.full(stages, -1, np.int64)
    used = 0
    for stage in range(stages):
        at = used
        for i in range(parent_ptr[stage], parent_ptr[stage + 1]):  # into a sorted set
            parent = twin[parents[i]]
            place = used
            while place > at and own[place - 1] > parent:
                place -= 1
            if place > at and own[place - 1] == parent:
                continue
            for k in range(used, place, -1):
                own[k] = own[k - 1]
            own[place] = parent
            used += 1
        if private[stage]:
            other = below[own[at]] if used > at else rootless[lane[stage]]
            head = other
            while other >= 0 and not _alike(
                kind[stage], kind[other], own[at:used], own[begin[other] :][: length[other]]
            ):
                other = following[other]
            if other >= 0:
                twin[stage] = other
                used = at
                continue
            following[stage] = head
            if used > at:
                below[own[at]] = stage
            else:
                rootless[lane[stage]] = stage
        begin[stage], length[stage] = at, used - at
    return twin, length, own[:used]


@njit(cache=True)
def _alike(kind, other_kind, parents, other_parents):  # type: ignore[no-untyped-def]
    if len(parents) != len(other_parents):
        return False
    for i in range(len(kind)):
        if kind[i] != other_kind[i]:
            return False
    for i in range(len(parents)):  # noqa: SIM110  (Numba compiles no generators)
        if parents[i] != other_parents[i]:
            return False
    return True
