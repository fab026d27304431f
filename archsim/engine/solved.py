"""Compiled: flows whose finish times need no events (archsim.engine.max_plus).

`m` is the address of the memory of archsim.engine.memory; nothing here may replace it.
"""

# ruff: noqa: I001  (the import from memory is a table of field names)

from __future__ import annotations

from numba import njit

from archsim.engine.memory import (
    ENDED, EVENTS, E_CHILD, E_NEED, E_PARENT, FINISH_AT, FLOW, FLOWS, FLOWS_AT, F_ADMITTED,
    F_FINISHED, F_FIRST, F_IN, F_INSTANCES, F_IN_AT, F_LANE, F_LANES, F_OUT, F_OUT_AT, F_SOLVED,
    F_START, LANE, L_MEMBERS, L_MEMBERS_AT, NOW, READY_AT,
)  # fmt: skip
from archsim.engine.closed_form import work_out
from archsim.engine.instances import admit_children, work_out_needs
from archsim.engine.queues import schedule


@njit(cache=True)
def solve(m):  # type: ignore[no-untyped-def]
    """All finish times of flows that need no events (archsim.engine.max_plus).

    READY_AT, which they have no use for, takes the running maximum of a flow's finish times.
    """
    going = True
    while going:
        going = False
        for flow in range(m[FLOWS_AT], m[FLOWS_AT] + FLOW * m[FLOWS], FLOW):
            if m[flow + F_SOLVED] >= 0 and _solve_flow(m, flow):
                going = True


@njit(cache=True)
def _solve_flow(m, flow):  # type: ignore[no-untyped-def]
    """Go on with one flow as far as its parents are known; True if that is any further."""
    before, latest = m[flow + F_SOLVED], m[READY_AT] + m[flow + F_FIRST]
    edges, lanes = m[flow + F_IN_AT], m[flow + F_LANES]
    while m[flow + F_SOLVED] < m[flow + F_INSTANCES]:
        n, ready = m[flow + F_SOLVED], 0
        for i in range(edges, edges + m[flow + F_IN]):
            parent, need = m[m[i] + E_PARENT], m[m[i] + E_NEED]
            if need >= m[parent + F_SOLVED]:
                return n > before
            if need >= 0:
                ready = max(ready, m[m[READY_AT] + m[parent + F_FIRST] + need])
        if n == 0:
            m[flow + F_START] = ready
        number = n // lanes
        lane = m[flow + F_LANE] + (n - number * lanes) * LANE
        finish, _ = work_out(m, m[lane + L_MEMBERS_AT], m[lane + L_MEMBERS], ready, 0, n, number)
        m[m[FINISH_AT] + m[flow + F_FIRST] + n] = finish
        m[latest + n] = max(finish, m[latest + n - 1]) if n > 0 else finish
        m[flow + F_SOLVED] = n + 1
        m[flow + F_ADMITTED] = n + 1
        work_out_needs(m, flow)
    return m[flow + F_SOLVED] > before


@njit(cache=True)
def show(m, flow):  # type: ignore[no-untyped-def]
    """Let a solved flow's next event come if a flow with events waits for it."""
    mark = m[flow + F_FINISHED]
    edges = m[flow + F_OUT_AT]
    for i in range(edges, edges + m[flow + F_OUT]):
        if m[m[m[i] + E_CHILD] + F_SOLVED] < 0 and mark < m[flow + F_SOLVED]:
            m[EVENTS] += 1
            time = m[m[READY_AT] + m[flow + F_FIRST] + mark]
            schedule(m, time, m[m[m[flow + F_LANE] + L_MEMBERS_AT]], 0)
            return
    m[ENDED] += m[flow + F_SOLVED] - mark
    m[flow + F_FINISHED] = m[flow + F_SOLVED]


@njit(cache=True)
def play(m, flow):  # type: ignore[no-untyped-def]
    """Instances of a solved flow finish now: move its mark and admit who waited for it."""
    mark, latest = m[flow + F_FINISHED], m[READY_AT] + m[flow + F_FIRST]
    before = mark
    while mark < m[flow + F_SOLVED] and m[latest + mark] <= m[NOW]:
        mark += 1
    m[ENDED] += mark - before
    m[flow + F_FINISHED] = mark
    admit_children(m, flow)
    show(m, flow)
