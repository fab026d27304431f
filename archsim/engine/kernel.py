"""The compiled event loop: services in progress in a heap, requests in a queue per resource.

Instances are made when they are first needed, so memory grows with what is in flight. Three facts
keep it exact (docs/timing.md gives the reasons): beats of a stage end in order, so counts are
enough; a lane's next instance cannot be served before its newest one was, so one unserved instance
per lane is enough; within a tick only the order inside each queue matters.

`m` is the address of the memory of archsim.engine.memory. Only `advance` may replace that memory,
between ticks, where it makes sure that there is slack at the top; a tick that needs more than that
raises BufferError and the run starts again with more slack.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from archsim.engine.address import address
from archsim.engine.memory import (
    ALONE, CHECK_AT, DONE, ENTRY, EVENTS, FLOW, FLOWS, FLOWS_AT, FREE_NODE, F_LANES, F_SOLVED,
    F_START, HEAP_AT, HEAP_LEN, LIMIT, LOG_AT, LOG_CAP, LOG_LEN, LOG_ROW,
    L_BASE, L_MASK, L_NUMBER, L_WIDTH, NOW, Q_END, Q_NEXT, Q_NUMBER, Q_READY, Q_STAGE, READY,
    R_BASE, R_FREE, R_HEAD, R_LEN, R_MASK, R_TOUCHED, SIZE, SLACK, STACK_AT, STACK_LEN, STAMP,
    STARTED, S_BEATS, S_CHILDREN, S_CHILDREN_AT, S_FLOW, S_HOLD, S_LANE, S_LOCAL, S_MEMBERS,
    S_MEMBERS_AT, S_MERGED, S_PARENTS, S_PARENTS_AT, S_RESOURCE, S_SERVICE, S_SLOPE, S_WAIT, TOP,
    WATCH, ZEROS_AT, ZEROS_LEN,
)  # fmt: skip
from archsim.engine.closed_form import growth_of, release
from archsim.engine.instances import admit, finish, open_lane, work_out_needs
from archsim.engine.queues import enqueue, pop_bucket, schedule, touch
from archsim.engine.solved import play, show, solve

RUNNING, FINISHED, CHECKPOINT = 0, 1, 2


@njit(cache=True)
def stamp():  # type: ignore[no-untyped-def]
    """The memory layout and the queues that the compiled code was built for."""
    return STAMP


@njit(cache=True)
def _growth(m, stage, number):  # type: ignore[no-untyped-def]
    """What the slope of a stage is multiplied by, for an instance of its lane."""
    flow = m[stage + S_FLOW]
    return growth_of(m, flow, number * m[flow + F_LANES] + m[m[stage + S_LANE] + L_NUMBER])


@njit(cache=True)
def _log(m, stage, number, service):  # type: ignore[no-untyped-def]
    """Write a row of the service log: address of the stage, instance, start, end."""
    if m[LOG_LEN] == m[LOG_CAP]:
        raise BufferError
    at = m[LOG_AT] + LOG_ROW * m[LOG_LEN]
    m[LOG_LEN] += 1
    m[at] = stage
    m[at + 1] = number * m[m[stage + S_FLOW] + F_LANES] + m[m[stage + S_LANE] + L_NUMBER]
    m[at + 2] = m[NOW]
    m[at + 3] = m[NOW] + service


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
        service += m[stage + S_SLOPE] * _growth(m, stage, number)
    if m[LOG_CAP] != 0:
        _log(m, stage, number, service)
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
    open_lane(m, lane, flow, number)


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
def _end(m, stage, number):  # type: ignore[no-untyped-def]
    """A beat ends: free its server and make the children's beats ready."""
    lane, flow = m[stage + S_LANE], m[stage + S_FLOW]
    if m[stage + S_MERGED] != ALONE:
        if m[flow + F_SOLVED] >= 0:
            play(m, flow)
            return
        open_lane(m, lane, flow, number)  # before the slot is looked up: this may move it
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
            instance = number * m[flow + F_LANES] + m[lane + L_NUMBER]
            release(
                m, m[stage + S_MEMBERS_AT], m[stage + S_MEMBERS], m[NOW], slot, instance, number
            )
        m[slot] -= 1
        if m[slot] == 0:
            finish(m, flow, number * m[flow + F_LANES] + m[lane + L_NUMBER])


@njit(cache=True)
def begin(memory):  # type: ignore[no-untyped-def]
    """Tick zero: admit what depends on nothing."""
    m = address(memory)
    for flow in range(m[FLOWS_AT], m[FLOWS_AT] + FLOW * m[FLOWS], FLOW):
        work_out_needs(m, flow)
    solve(m)
    for flow in range(m[FLOWS_AT], m[FLOWS_AT] + FLOW * m[FLOWS], FLOW):
        if m[flow + F_SOLVED] >= 0:
            show(m, flow)
        else:
            admit(m, flow)
    _dispatch(m)


@njit(cache=True)
def advance(memory, until):  # type: ignore[no-untyped-def]
    """Run until `until` services have started in all, to a checkpoint (archsim.engine.steady) or to
    the end; returns (memory, status)."""
    m = address(memory)
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
                return memory, FINISHED
            if m[EVENTS] >= until:
                return memory, RUNNING
            if m[m[WATCH]] >= m[CHECK_AT]:
                return memory, CHECKPOINT
            now = m[m[HEAP_AT]]
            if now > m[LIMIT] or now < 0:
                raise OverflowError
            m[NOW] = now
            top = m[TOP]
            if m[SIZE] < m[SLACK] + 3 * top:  # a ring that doubles takes at most 2 * top
                bigger = np.empty(2 * m[SLACK] + 6 * top, np.int64)
                bigger[:top] = memory[:top]
                memory = bigger
                m = address(memory)
                m[SIZE] = memory.size
            while m[HEAP_LEN] > 0 and m[m[HEAP_AT]] == now:
                node = pop_bucket(m)
                while node >= 0:
                    stage, number, following = m[node], m[node + 1], m[node + 2]
                    m[node + 2] = m[FREE_NODE]
                    m[FREE_NODE] = node
                    _end(m, stage, number)
                    node = following
        _dispatch(m)
