"""The compiled event loop: services in progress in a heap, requests in a queue per resource.

Instances are made when they are first needed, so memory grows with what is in flight. Three facts
keep it exact (docs/timing.md gives the reasons): beats of a stage end in order, so counts are
enough; a lane's next instance cannot be served before its newest one was, so one unserved instance
per lane is enough; within a tick only the order inside each queue matters.

`m` is the memory of archsim.engine.memory. Only `advance` may replace it, between ticks, where it
makes sure that there is slack at the top; a tick that needs more than that raises BufferError and
the run starts again with more slack.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from archsim.engine.memory import (
    ALONE, DONE, ENDED, ENTRY, EVENTS, E_CHILD, E_NEED, E_PARENT, E_PERIOD, E_REPEAT, E_STEP,
    E_TABLE, FINISH_AT, FLOW, FLOWS, FLOWS_AT, FREE_NODE, F_ADMITTED, F_FINISHED, F_FIRST, F_IN,
    F_INSTANCES, F_IN_AT, F_LANE, F_LANES, F_OUT, F_OUT_AT, F_START, HEAP_AT, HEAP_LEN, LANE,
    LIMIT, L_BASE, L_FLOW, L_MADE, L_MASK, L_NUMBER, L_OLDEST, L_OPEN, L_ROOTS, L_ROOTS_AT,
    L_STAGES, L_WIDTH, NOW, Q_END, Q_NEXT, Q_NUMBER, Q_READY, Q_STAGE, READY, READY_AT, R_BASE,
    R_FREE, R_HEAD, R_LEN, R_MASK, R_TOUCHED, SLACK, STACK_AT, STACK_LEN, STARTED, S_BEATS,
    STAMP, S_CHILDREN, S_CHILDREN_AT, S_ENTRY, S_FLOW, S_FREE_AT, S_HOLD, S_LANE, S_LOCAL,
    S_MEMBERS, S_MEMBERS_AT, S_MERGED, S_PARENTS, S_PARENTS_AT, S_RESOURCE, S_SERVICE, S_SLOPE,
    S_TIMES_AT, S_WAIT, TOP, VISIBLE, ZEROS_AT, ZEROS_LEN,
)  # fmt: skip
from archsim.engine.queues import enqueue, pop_bucket, reserve, schedule, touch

RUNNING, FINISHED = 0, 1


@njit(cache=True)
def stamp():  # type: ignore[no-untyped-def]
    """The memory layout and the queues that the compiled code was built for."""
    return STAMP


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
def _make(m, lane, number):  # type: ignore[no-untyped-def]
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
    roots = m[lane + L_ROOTS_AT]
    for i in range(roots, roots + m[lane + L_ROOTS]):
        stage = m[i]
        beats = m[stage + S_BEATS]
        m[slot + m[stage + S_LOCAL] + READY] = beats
        enqueue(m, stage, number, 0, 1 if m[stage + S_HOLD] else beats, ready)


@njit(cache=True)
def _work_out_needs(m, flow):  # type: ignore[no-untyped-def]
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
def _admit(m, flow):  # type: ignore[no-untyped-def]
    """Admit the flow's next instances as far as their dependencies have finished."""
    lanes = m[flow + F_LANES]
    while m[flow + F_ADMITTED] < m[flow + F_INSTANCES]:
        edges = m[flow + F_IN_AT]
        for i in range(edges, edges + m[flow + F_IN]):
            if m[m[i] + E_NEED] >= m[m[m[i] + E_PARENT] + F_FINISHED]:
                return
        n = m[flow + F_ADMITTED]
        m[m[READY_AT] + m[flow + F_FIRST] + n] = m[NOW]
        m[flow + F_ADMITTED] = n + 1
        _work_out_needs(m, flow)
        number = n // lanes
        lane = m[flow + F_LANE] + (n - number * lanes) * LANE
        if m[lane + L_OPEN] and m[lane + L_MADE] == number:
            _make(m, lane, number)


@njit(cache=True)
def _serve(m, stage, number):  # type: ignore[no-untyped-def]
    """Start one beat on a server that is already taken."""
    m[EVENTS] += 1
    if m[stage + S_HOLD] != 0:
        lane = m[stage + S_LANE]
        slot = m[lane + L_BASE] + (number & m[lane + L_MASK]) * m[lane + L_WIDTH]
        m[slot + m[stage + S_LOCAL] + STARTED] += 1
    service = m[stage + S_SERVICE]
    if m[stage + S_SLOPE] != 0:
        instance = number * m[m[stage + S_FLOW] + F_LANES] + m[m[stage + S_LANE] + L_NUMBER]
        service += m[stage + S_SLOPE] * instance
    if service == 0:
        at = m[ZEROS_AT] + 2 * m[ZEROS_LEN]
        m[at] = stage
        m[at + 1] = number
        m[ZEROS_LEN] += 1
    else:
        schedule(m, m[NOW] + service, stage, number)
    if m[stage + S_PARENTS] == 0:
        _serve_root(m, stage, number)


@njit(cache=True)
def _serve_root(m, stage, number):  # type: ignore[no-untyped-def]
    """A flow begins with a root stage; a lane's next instance may queue once this one is served."""
    lane, flow = m[stage + S_LANE], m[stage + S_FLOW]
    if m[flow + F_START] < 0:
        m[flow + F_START] = m[NOW]
    if m[lane + L_OPEN] == 0 and m[lane + L_MADE] == number + 1:
        m[lane + L_OPEN] = 1
        following = (number + 1) * m[flow + F_LANES] + m[lane + L_NUMBER]
        if following < m[flow + F_ADMITTED]:
            _make(m, lane, number + 1)


@njit(cache=True)
def _dispatch(m):  # type: ignore[no-untyped-def]
    """Free servers take waiting requests, until no resource has both."""
    while m[STACK_LEN] > 0:
        m[STACK_LEN] -= 1
        resource = m[m[STACK_AT] + m[STACK_LEN]]
        m[resource + R_TOUCHED] = 0
        while m[resource + R_FREE] > 0 and m[resource + R_LEN] > 0:
            head = m[resource + R_HEAD]
            entry = m[resource + R_BASE] + head * ENTRY
            stage, number = m[entry + Q_STAGE], m[entry + Q_NUMBER]
            m[stage + S_WAIT] += m[NOW] - m[entry + Q_READY]
            m[entry + Q_NEXT] += 1
            if m[entry + Q_NEXT] == m[entry + Q_END]:
                m[resource + R_HEAD] = (head + 1) & m[resource + R_MASK]
                m[resource + R_LEN] -= 1
            m[resource + R_FREE] -= 1
            _serve(m, stage, number)


@njit(cache=True)
def _beats_ready(m, slot, stage):  # type: ignore[no-untyped-def]
    """Beats of a stage that its parents' progress allows: beat j needs ceil((j+1) b_p / b)."""
    beats = m[stage + S_BEATS]
    ready = beats
    parents = m[stage + S_PARENTS_AT]
    for i in range(parents, parents + m[stage + S_PARENTS]):
        parent = m[i]
        done, parent_beats = m[slot + m[parent + S_LOCAL] + DONE], m[parent + S_BEATS]
        if parent_beats == beats:
            ready = min(ready, done)
        elif done < parent_beats:
            ready = min(ready, done * beats // parent_beats)
    return ready


@njit(cache=True)
def _finish(m, flow, instance):  # type: ignore[no-untyped-def]
    """An instance has finished: move the flow's in-order mark and admit who waited for it."""
    finish = m[FINISH_AT] + m[flow + F_FIRST]
    m[finish + instance] = m[NOW]
    m[ENDED] += 1
    mark, total = m[flow + F_FINISHED], m[flow + F_INSTANCES]
    if mark == instance:
        while mark < total and m[finish + mark] >= 0:
            mark += 1
        m[flow + F_FINISHED] = mark
        edges = m[flow + F_OUT_AT]
        for i in range(edges, edges + m[flow + F_OUT]):
            edge = m[i]
            if m[edge + E_NEED] < mark:
                _admit(m, m[edge + E_CHILD])


@njit(cache=True)
def _work_out(m, head, slot, number):  # type: ignore[no-untyped-def]
    """All beats of the group below a stage that has ended (archsim.engine.merge)."""
    now, lane = m[NOW], m[head + S_LANE]
    instance = number * m[m[head + S_FLOW] + F_LANES] + m[lane + L_NUMBER]
    for i in range(m[head + S_MEMBERS_AT], m[head + S_MEMBERS_AT] + m[head + S_MEMBERS]):
        stage = m[i]
        beats, times = m[stage + S_BEATS], m[stage + S_TIMES_AT]
        service = m[stage + S_SERVICE] + m[stage + S_SLOPE] * instance
        free, waited = m[stage + S_FREE_AT], 0
        parents = m[stage + S_PARENTS_AT]
        for beat in range(beats):
            ready = now
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
            m[EVENTS] += 1
            m[slot + m[stage + S_LOCAL] + DONE] = beats - 1  # its one event brings the last
            schedule(m, free, stage, number)


@njit(cache=True)
def _end(m, stage, number):  # type: ignore[no-untyped-def]
    """A beat ends: free its server and make the children's beats ready."""
    lane, flow = m[stage + S_LANE], m[stage + S_FLOW]
    slot = m[lane + L_BASE] + (number & m[lane + L_MASK]) * m[lane + L_WIDTH]
    own = slot + m[stage + S_LOCAL]
    done = m[own + DONE] + 1
    m[own + DONE] = done
    last = done == m[stage + S_BEATS]
    if m[stage + S_MERGED] == ALONE:
        if m[stage + S_HOLD] == 0 or last:
            resource = m[stage + S_RESOURCE]
            m[resource + R_FREE] += 1
            if m[resource + R_LEN] > 0:
                touch(m, resource)
        elif m[own + READY] > done:
            _serve(m, stage, number)  # the held server takes its next beat at once
    children = m[stage + S_CHILDREN_AT]
    for i in range(children, children + m[stage + S_CHILDREN]):
        child = m[i]
        at = slot + m[child + S_LOCAL]
        ready, before = _beats_ready(m, slot, child), m[at + READY]
        if ready > before:
            m[at + READY] = ready
            if m[child + S_HOLD] == 0:
                enqueue(m, child, number, before, ready, m[NOW])
            elif before == 0:
                enqueue(m, child, number, 0, 1, m[NOW])
            elif m[at + STARTED] > 0 and m[at + DONE] == m[at + STARTED]:
                _serve(m, child, number)  # its held server was idle
    if last:
        if m[stage + S_MEMBERS] > 0:
            _work_out(m, stage, slot, number)
        m[slot] -= 1
        if m[slot] == 0:
            _finish(m, flow, number * m[flow + F_LANES] + m[lane + L_NUMBER])


@njit(cache=True)
def begin(m):  # type: ignore[no-untyped-def]
    """Tick zero: admit what depends on nothing."""
    for flow in range(m[FLOWS_AT], m[FLOWS_AT] + FLOW * m[FLOWS], FLOW):
        _work_out_needs(m, flow)
    for flow in range(m[FLOWS_AT], m[FLOWS_AT] + FLOW * m[FLOWS], FLOW):
        _admit(m, flow)
    _dispatch(m)


@njit(cache=True)
def advance(m, budget):  # type: ignore[no-untyped-def]
    """Run until `budget` more services have started, or to the end; returns (memory, status)."""
    until = m[EVENTS] + budget
    while True:
        zeros = m[ZEROS_LEN]
        if zeros > 0:  # a further round of the same tick: what started in the last one ends
            for i in range(zeros):
                at = m[ZEROS_AT] + 2 * i
                _end(m, m[at], m[at + 1])
            for i in range(2 * zeros, 2 * m[ZEROS_LEN]):
                m[m[ZEROS_AT] + i - 2 * zeros] = m[m[ZEROS_AT] + i]
            m[ZEROS_LEN] -= zeros
        else:
            if m[HEAP_LEN] == 0:
                return m, FINISHED
            if m[EVENTS] >= until:
                return m, RUNNING
            now = m[m[HEAP_AT]]
            if now > m[LIMIT] or now < 0:
                raise OverflowError
            m[NOW] = now
            top = m[TOP]
            if m.size < m[SLACK] + 3 * top:  # a ring that doubles takes at most 2 * top
                bigger = np.empty(2 * m[SLACK] + 6 * top, np.int64)
                bigger[:top] = m[:top]
                m = bigger
            while m[HEAP_LEN] > 0 and m[m[HEAP_AT]] == now:
                node = pop_bucket(m)
                while node >= 0:
                    stage, number, following = m[node], m[node + 1], m[node + 2]
                    m[node + 2] = m[FREE_NODE]
                    m[FREE_NODE] = node
                    _end(m, stage, number)
                    node = following
        _dispatch(m)
