"""Compiled: instances of flows, from their admission until they have finished.

`m` is the address of the memory of archsim.engine.memory; nothing here may replace it.
"""

# ruff: noqa: I001  (the import from memory is a table of field names)

from __future__ import annotations

from numba import njit

from archsim.engine.memory import (
    E_CHILD, ENDED, E_NEED, E_PARENT, E_PERIOD, E_REPEAT, E_STEP, E_TABLE, EVENTS, F_ADMITTED,
    F_FINISHED, F_FIRST, F_IN, F_IN_AT, FINISH_AT, F_INSTANCES, F_LANE, F_LANES, F_LONE, F_OUT,
    F_OUT_AT, F_SOLVED, F_START, LANE, L_BASE, L_FLOW, LIMIT, L_MADE, L_MASK, L_MEMBERS,
    L_MEMBERS_AT, L_NUMBER, L_OLDEST, L_OPEN, L_ROOTS, L_ROOTS_AT, L_STAGES, L_WIDTH, NOW, READY,
    READY_AT, S_BEATS, S_FREE_AT, S_HOLD, S_LOCAL, S_SLOPE, S_WAIT,
)  # fmt: skip
from archsim.engine.closed_form import release, work_out
from archsim.engine.queues import enqueue, reserve, schedule


@njit(cache=True)
def _grow_slots(m, lane, number):  # type: ignore[no-untyped-def]
    """Make room for one more instance of a lane: drop finished ones, else double the ring."""
    flow, width, mask = m[lane + L_FLOW], m[lane + L_WIDTH], m[lane + L_MASK]
    lanes = m[flow + F_LANES]
    finish = m[FINISH_AT] + m[flow + F_FIRST] + m[lane + L_NUMBER]
    oldest = m[lane + L_OLDEST]
    while oldest < number and m[finish + oldest * lanes] >= 0:
        oldest += 1
    m[lane + L_OLDEST] = oldest
    if number - oldest > mask:
        at = reserve(m, 2 * (mask + 1) * width)
        base, wider = m[lane + L_BASE], 2 * mask + 1
        for i in range(oldest, number):
            source, to = base + (i & mask) * width, at + (i & wider) * width
            for k in range(width):
                m[to + k] = m[source + k]
        m[lane + L_BASE] = at
        m[lane + L_MASK] = wider


@njit(cache=True)
def make(m, lane, number):  # type: ignore[no-untyped-def]
    """Make a lane's next admitted instance: a fresh slot, and its root stages in their queues."""
    if number - m[lane + L_OLDEST] > m[lane + L_MASK]:
        _grow_slots(m, lane, number)
    flow, width = m[lane + L_FLOW], m[lane + L_WIDTH]
    slot = m[lane + L_BASE] + (number & m[lane + L_MASK]) * width
    for k in range(width):
        m[slot + k] = 0
    m[slot] = m[lane + L_STAGES]
    m[lane + L_MADE] = number + 1
    m[lane + L_OPEN] = 0
    instance = number * m[flow + F_LANES] + m[lane + L_NUMBER]
    ready = m[m[READY_AT] + m[flow + F_FIRST] + instance]
    if m[lane + L_MEMBERS] > 0:
        if m[flow + F_START] < 0:
            m[flow + F_START] = ready
        release(m, m[lane + L_MEMBERS_AT], m[lane + L_MEMBERS], ready, slot, instance, number)
    roots = m[lane + L_ROOTS_AT]
    for i in range(roots, roots + m[lane + L_ROOTS]):
        stage = m[i]
        beats = m[stage + S_BEATS]
        m[slot + m[stage + S_LOCAL] + READY] = beats
        enqueue(m, stage, number, 0, 1 if m[stage + S_HOLD] else beats, ready)


@njit(cache=True)
def open_lane(m, lane, flow, number):  # type: ignore[no-untyped-def]
    """Once an instance of a lane is on its way, the next one may be made."""
    if m[lane + L_OPEN] == 0 and m[lane + L_MADE] == number + 1:
        m[lane + L_OPEN] = 1
        following = (number + 1) * m[flow + F_LANES] + m[lane + L_NUMBER]
        if following < m[flow + F_ADMITTED]:
            make(m, lane, number + 1)


@njit(cache=True)
def work_out_needs(m, flow):  # type: ignore[no-untyped-def]
    """What the flow's next instance needs of each parent: g(n)."""
    n = m[flow + F_ADMITTED]
    edges = m[flow + F_IN_AT]
    for i in range(edges, edges + m[flow + F_IN]):
        edge = m[i]
        period = m[edge + E_PERIOD]
        if period == 1:
            m[edge + E_NEED] = n * m[edge + E_STEP] + m[m[edge + E_TABLE]]
        else:
            rounds = n // period
            inside = (n - rounds * period) // m[edge + E_REPEAT]
            m[edge + E_NEED] = rounds * m[edge + E_STEP] + m[m[edge + E_TABLE] + inside]


@njit(cache=True)
def _repeat(m, flow, n, before):  # type: ignore[no-untyped-def]
    """Instances behind n that repeat it: all that are left, or none if it is not sure.

    A chain, whose instances wait for the one before, repeats itself once everything that the next
    one depends on is later by the same time than it was for this one: the last finish and the ends
    of all members. `before` finished the instance before; slot 0 has the members' ends and waits.
    """
    lane, finishes = m[flow + F_LANE], m[FINISH_AT] + m[flow + F_FIRST]
    members, slot = m[lane + L_MEMBERS_AT], m[lane + L_BASE]
    step, left = m[finishes + n] - before, m[flow + F_INSTANCES] - 1 - n
    for i in range(m[lane + L_MEMBERS]):
        stage = m[members + i]
        if m[stage + S_SLOPE] != 0 or m[stage + S_FREE_AT] - m[slot + 2 * i] != step:
            return 0
    if m[finishes + n] + left * step > m[LIMIT] or m[finishes + n] + left * step < 0:
        raise OverflowError
    for i in range(m[lane + L_MEMBERS]):
        stage = m[members + i]
        m[stage + S_FREE_AT] += left * step
        m[stage + S_WAIT] += left * (m[stage + S_WAIT] - m[slot + 2 * i + 1])
    for k in range(n + 1, n + 1 + left):
        m[finishes + k] = m[finishes + k - 1] + step
    return left


@njit(cache=True)
def _run_alone(m, flow):  # type: ignore[no-untyped-def]
    """All instances of a flow that waits for nothing but itself from now on.

    READY_AT first takes the running maximum of the finish times, which the flow's own edges ask
    for, and then the last of them for every instance: nobody asks for more than the end.
    """
    lane, latest = m[flow + F_LANE], m[READY_AT] + m[flow + F_FIRST]
    finishes = m[FINISH_AT] + m[flow + F_FIRST]
    edges, count = m[flow + F_IN_AT], m[flow + F_INSTANCES]
    members, slot = m[lane + L_MEMBERS_AT], m[lane + L_BASE]
    own, chain = 0, False
    for i in range(edges, edges + m[flow + F_IN]):
        if m[m[i] + E_PARENT] == flow:
            own += 1
            chain = m[m[i] + E_NEED] == -1
    chain = chain and own == 1
    end = m[NOW]
    m[flow + F_START] = end
    n = 0
    while n < count:
        ready = m[NOW]
        for i in range(edges, edges + m[flow + F_IN]):
            if m[m[i] + E_PARENT] == flow and m[m[i] + E_NEED] >= 0:
                ready = max(ready, m[latest + m[m[i] + E_NEED]])
        for i in range(m[lane + L_MEMBERS]):
            m[slot + 2 * i] = m[m[members + i] + S_FREE_AT]
            m[slot + 2 * i + 1] = m[m[members + i] + S_WAIT]
        finish, _ = work_out(m, members, m[lane + L_MEMBERS], ready, 0, n, n)
        m[finishes + n] = finish
        end = max(end, finish)
        m[latest + n] = end
        if chain and n > 0:
            n += _repeat(m, flow, n, m[finishes + n - 1])
            end = max(end, m[finishes + n])
        n += 1
        m[flow + F_ADMITTED] = n
        work_out_needs(m, flow)
    for k in range(count):
        m[latest + k] = end
    m[flow + F_SOLVED] = count  # archsim.engine.solved plays the event
    m[EVENTS] += 1
    schedule(m, end, m[members], 0)


@njit(cache=True)
def admit(m, flow):  # type: ignore[no-untyped-def]
    """Admit the flow's next instances as far as their dependencies have finished."""
    lanes = m[flow + F_LANES]
    while m[flow + F_ADMITTED] < m[flow + F_INSTANCES]:
        edges = m[flow + F_IN_AT]
        for i in range(edges, edges + m[flow + F_IN]):
            if m[m[i] + E_NEED] >= m[m[m[i] + E_PARENT] + F_FINISHED]:
                return
        if m[flow + F_LONE] != 0:
            _run_alone(m, flow)
            return
        n = m[flow + F_ADMITTED]
        m[m[READY_AT] + m[flow + F_FIRST] + n] = m[NOW]
        m[flow + F_ADMITTED] = n + 1
        work_out_needs(m, flow)
        number = n // lanes
        lane = m[flow + F_LANE] + (n - number * lanes) * LANE
        if m[lane + L_OPEN] and m[lane + L_MADE] == number:
            make(m, lane, number)


@njit(cache=True)
def admit_children(m, flow):  # type: ignore[no-untyped-def]
    """Admit who waited for the instances up to a flow's in-order mark."""
    edges = m[flow + F_OUT_AT]
    for i in range(edges, edges + m[flow + F_OUT]):
        edge = m[i]
        if m[edge + E_NEED] < m[flow + F_FINISHED]:
            admit(m, m[edge + E_CHILD])


@njit(cache=True)
def finish(m, flow, instance):  # type: ignore[no-untyped-def]
    """An instance has finished: move the flow's in-order mark and admit who waited for it."""
    finish = m[FINISH_AT] + m[flow + F_FIRST]
    m[finish + instance] = m[NOW]
    m[ENDED] += 1
    mark, total = m[flow + F_FINISHED], m[flow + F_INSTANCES]
    if mark == instance:
        while mark < total and m[finish + mark] >= 0:
            mark += 1
        m[flow + F_FINISHED] = mark
        admit_children(m, flow)
