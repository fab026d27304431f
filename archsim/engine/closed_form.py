"""Compiled: the times of groups of stages, worked out at once (archsim.engine.groups).

`m` is the address of the memory of archsim.engine.memory; nothing here may replace it.
"""

# ruff: noqa: I001  (the import from memory is a table of field names)

from __future__ import annotations

from numba import njit

from archsim.engine.memory import (
    DONE, EVENTS, F_EVERY, F_GROWTH, F_ROUND, LIMIT, SINK, S_BEATS, S_ENTRY, S_FLOW, S_FREE_AT,
    S_HOLD, S_LOCAL, S_MERGED, S_PARENTS, S_PARENTS_AT, S_SERVICE, S_SLOPE, S_TIMES_AT, S_WAIT,
    VISIBLE,
)  # fmt: skip
from archsim.engine.queues import schedule


@njit(cache=True)
def growth_of(m, flow, instance):  # type: ignore[no-untyped-def]
    """What the slopes of a flow are multiplied by: (n mod round) // every, or that entry."""
    step = (instance % m[flow + F_ROUND]) // m[flow + F_EVERY]
    return m[m[flow + F_GROWTH] + step] if m[flow + F_GROWTH] != 0 else step


@njit(cache=True)
def work_out(m, members, count, begin, slot, instance, number):  # type: ignore[no-untyped-def]
    """All beats of a group whose input is there at `begin` (archsim.engine.groups).

    Returns the last end among its sinks, -1 if it has none, and the stage of that end.
    """
    growth = growth_of(m, m[m[members] + S_FLOW], instance)
    last, last_stage = -1, -1
    for i in range(members, members + count):
        stage = m[i]
        beats, times = m[stage + S_BEATS], m[stage + S_TIMES_AT]
        service = m[stage + S_SERVICE] + m[stage + S_SLOPE] * growth
        free, waited = m[stage + S_FREE_AT], 0
        parents = m[stage + S_PARENTS_AT]
        for beat in range(beats):
            ready = begin
            if m[stage + S_ENTRY] == 0:
                for k in range(parents, parents + m[stage + S_PARENTS]):
                    needed = m[m[k] + S_BEATS]
                    if needed == beats:
                        needed = beat + 1
                    elif beats > 1:
                        needed = ((beat + 1) * needed + beats - 1) // beats
                    ready = max(ready, m[m[m[k] + S_TIMES_AT] + needed - 1])
            start = max(ready, free)
            if beat == 0 or m[stage + S_HOLD] == 0:
                waited += start - ready
            free = start + service
            if free > m[LIMIT] or free < 0:
                raise OverflowError
            m[times + beat] = free
        m[stage + S_FREE_AT] = free
        m[stage + S_WAIT] += waited
        if m[stage + S_MERGED] == VISIBLE:
            _end_at(m, stage, slot, number, free)
        elif m[stage + S_MERGED] == SINK and free > last:
            last, last_stage = free, stage
    return last, last_stage


@njit(cache=True)
def _end_at(m, stage, slot, number, time):  # type: ignore[no-untyped-def]
    """Have one event end all beats of a member of a group."""
    m[EVENTS] += 1
    m[slot + m[stage + S_LOCAL] + DONE] = m[stage + S_BEATS] - 1
    schedule(m, time, stage, number)


@njit(cache=True)
def release(m, members, count, begin, slot, instance, number):  # type: ignore[no-untyped-def]
    """Work out a group and schedule the events that it has left."""
    last, stage = work_out(m, members, count, begin, slot, instance, number)
    if last >= 0:
        _end_at(m, stage, slot, number, last)
