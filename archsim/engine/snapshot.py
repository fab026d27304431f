"""Compiled parts of the steady-state jump: the machine's state as an image, and moving it ahead.

An image holds what the future depends on, with times relative to now and instances relative to the
flow's in-order mark, so that states that differ only by a shift have equal images
(archsim.engine.steady says when that is enough).
"""

# ruff: noqa: I001  (the import from memory is a table of field names)

from __future__ import annotations

import numpy as np
from numba import njit

from archsim.engine.address import address
from archsim.engine.memory import (
    ALONE, CACHE, CACHE_AT, ENDED, ENTRY, FINISH_AT, FLOW, FLOWS, FLOWS_AT, F_ADMITTED,
    F_FINISHED, F_FIRST, F_INSTANCES, F_LANE, F_LANES, F_SOLVED, HEAP_AT, HEAP_LEN, LANE, LIMIT,
    L_BASE, L_MADE, L_MASK, L_MEMBERS, L_NUMBER, L_OLDEST, L_OPEN, L_WIDTH, NOW, Q_END, Q_NEXT,
    Q_NUMBER, Q_READY, Q_STAGE, READY_AT, RESOURCE, R_BASE, R_FREE, R_HEAD, R_LEN, R_MASK, STAGE,
    STAMP, S_FLOW, S_FREE_AT, S_LANE, S_MERGED, S_PARENTS,
)  # fmt: skip
from archsim.engine.instances import work_out_needs

MOVING, FIXED, PLAYED, OVER = 0, 1, 2, 3  # kinds of flows, see `kind_of`
FULL, UNFIT = -1, -2  # no image: the buffer is too small; this state cannot be compared


@njit(cache=True)
def snapshot_stamp():  # type: ignore[no-untyped-def]
    """The compiled files that this code was built with."""
    return STAMP


@njit(cache=True)
def kind_of(m, flow):  # type: ignore[no-untyped-def]
    """OVER: all has finished; PLAYED: solved beforehand; FIXED: every instance that is left was
    admitted at one time in the past, which does not move along; MOVING: all others."""
    finished, instances = m[flow + F_FINISHED], m[flow + F_INSTANCES]
    if finished == instances:
        return OVER
    if m[flow + F_SOLVED] >= 0:
        return PLAYED
    ready = m[READY_AT] + m[flow + F_FIRST]
    if m[flow + F_ADMITTED] == instances and m[ready + finished] == m[ready + instances - 1]:
        return FIXED
    return MOVING


@njit(cache=True)
def take(memory, stages_at, stages, resources_at, resources, out):  # type: ignore[no-untyped-def]
    """Write the image of the present state into `out`; returns its length, FULL or UNFIT."""
    m = address(memory)
    to = address(out)
    limit = out.size
    heap, latest_fixed = 0, -1
    for i in range(m[HEAP_LEN]):
        node = m[m[m[HEAP_AT] + 2 * i + 1]]
        while node >= 0:
            heap += 1
            node = m[node + 2]
    earliest = m[LIMIT]  # of the ready times that move along
    at = 0
    for flow in range(m[FLOWS_AT], m[FLOWS_AT] + FLOW * m[FLOWS], FLOW):
        kind = kind_of(m, flow)
        if at + 4 > limit:
            return FULL
        to[at] = kind
        to[at + 1] = m[flow + F_FINISHED] % m[flow + F_LANES]
        at += 2
        if kind == FIXED:
            fixed = m[m[READY_AT] + m[flow + F_FIRST] + m[flow + F_FINISHED]]
            latest_fixed = max(latest_fixed, fixed)
            to[at] = fixed
            at += 1
        elif kind == MOVING:
            to[at] = m[flow + F_ADMITTED] - m[flow + F_FINISHED]
            at += 1
            at, earliest = _pending(m, flow, to, at, limit, earliest)
        if at >= 0 and kind != PLAYED and kind != OVER:
            at = _lanes(m, flow, to, at, limit)
        if at < 0:
            return FULL
    at = _members(m, stages_at, stages, to, at, limit)
    if at >= 0:
        at, earliest = _queues(m, resources_at, resources, to, at, limit, earliest)
    if at < 0 or at + 3 * heap > limit:
        return FULL
    if earliest <= latest_fixed:
        return UNFIT
    return _in_service(m, to, at)


@njit(cache=True)
def _pending(m, flow, to, at, limit, earliest):  # type: ignore[no-untyped-def]
    """Ready times of instances that are admitted and perhaps not made, as (time, count) pairs."""
    lanes, admitted = m[flow + F_LANES], m[flow + F_ADMITTED]
    n = admitted
    for i in range(lanes):
        n = min(n, m[m[flow + F_LANE] + i * LANE + L_MADE] * lanes + i)
    first = m[READY_AT] + m[flow + F_FIRST]
    if n < admitted:
        earliest = min(earliest, m[first + n])
    while n < admitted:
        time, count = m[first + n], 0
        while n < admitted and m[first + n] == time:
            n += 1
            count += 1
        if at + 2 > limit:
            return -1, earliest
        to[at] = time - m[NOW]
        to[at + 1] = count
        at += 2
    return at, earliest


@njit(cache=True)
def _lanes(m, flow, to, at, limit):  # type: ignore[no-untyped-def]
    """What is made and open, and the slots of instances in flight."""
    lanes = m[flow + F_LANES]
    mark = m[flow + F_FINISHED] // lanes
    finish = m[FINISH_AT] + m[flow + F_FIRST]
    for i in range(lanes):
        lane = m[flow + F_LANE] + i * LANE
        width = m[lane + L_WIDTH]
        if at + 3 > limit:
            return -1
        to[at] = m[lane + L_OPEN]
        to[at + 1] = m[lane + L_MADE] - mark
        at += 2
        for number in range(m[lane + L_OLDEST], m[lane + L_MADE]):
            if m[finish + number * lanes + i] < 0:
                if at + width + 2 > limit:
                    return -1
                to[at] = number - mark
                at += 1
                slot = m[lane + L_BASE] + (number & m[lane + L_MASK]) * width
                for k in range(width):
                    to[at + k] = m[slot + k]
                at += width
        to[at] = m[LIMIT]  # no relative number: ends the list
        at += 1
    return at


@njit(cache=True)
def _members(m, stages_at, stages, to, at, limit):  # type: ignore[no-untyped-def]
    """When the servers of group members are free, as far as it matters from now on."""
    for stage in range(stages_at, stages_at + STAGE * stages, STAGE):
        flow, lane = m[stage + S_FLOW], m[stage + S_LANE]
        if m[stage + S_MERGED] == ALONE or m[flow + F_SOLVED] >= 0:
            continue
        if m[flow + F_FINISHED] == m[flow + F_INSTANCES]:
            continue
        since = m[NOW]  # nothing becomes ready before
        following = m[lane + L_MADE] * m[flow + F_LANES] + m[lane + L_NUMBER]
        if m[lane + L_MEMBERS] > 0 and following < m[flow + F_ADMITTED]:
            since = min(since, m[m[READY_AT] + m[flow + F_FIRST] + following])
        if at == limit:
            return -1
        to[at] = max(m[stage + S_FREE_AT], since) - m[NOW]
        at += 1
    return at


@njit(cache=True)
def _relative(m, stage, number):  # type: ignore[no-untyped-def]
    """An instance of a lane relative to the in-order mark; 0 for flows solved beforehand."""
    flow = m[stage + S_FLOW]
    if m[flow + F_SOLVED] >= 0:
        return 0
    return number - m[flow + F_FINISHED] // m[flow + F_LANES]


@njit(cache=True)
def _queues(m, resources_at, resources, to, at, limit, earliest):  # type: ignore[no-untyped-def]
    """Free servers and waiting requests, in order."""
    for resource in range(resources_at, resources_at + RESOURCE * resources, RESOURCE):
        length = m[resource + R_LEN]
        if at + 2 + ENTRY * length > limit:
            return -1, earliest
        to[at] = m[resource + R_FREE]
        to[at + 1] = length
        at += 2
        for i in range(length):
            place = (m[resource + R_HEAD] + i) & m[resource + R_MASK]
            entry = m[resource + R_BASE] + place * ENTRY
            stage, ready = m[entry + Q_STAGE], m[entry + Q_READY]
            if m[stage + S_PARENTS] > 0 or kind_of(m, m[stage + S_FLOW]) != FIXED:
                earliest = min(earliest, ready)
                ready -= m[NOW]
            to[at + Q_READY] = ready
            to[at + Q_STAGE] = stage
            to[at + Q_NUMBER] = _relative(m, stage, m[entry + Q_NUMBER])
            to[at + Q_NEXT] = m[entry + Q_NEXT]
            to[at + Q_END] = m[entry + Q_END]
            at += ENTRY
    return at, earliest


@njit(cache=True)
def _in_service(m, to, at):  # type: ignore[no-untyped-def]
    """Services in progress as (time left, stage, instance), sorted."""
    begin = at
    for i in range(m[HEAP_LEN]):
        time = m[m[HEAP_AT] + 2 * i]
        node = m[m[m[HEAP_AT] + 2 * i + 1]]
        while node >= 0:
            to[at] = time - m[NOW]
            to[at + 1] = m[node]
            to[at + 2] = _relative(m, m[node], m[node + 1])
            at += 3
            node = m[node + 2]
    count = (at - begin) // 3
    gap = count // 2
    while gap > 0:  # Shell's sort
        for i in range(gap, count):
            row = begin + 3 * i
            a, b, c = to[row], to[row + 1], to[row + 2]
            other = row - 3 * gap
            while other >= begin and _after(to, other, a, b, c):
                for k in range(3):
                    to[other + 3 * gap + k] = to[other + k]
                other -= 3 * gap
            to[other + 3 * gap] = a
            to[other + 3 * gap + 1] = b
            to[other + 3 * gap + 2] = c
        gap //= 2
    return at


@njit(cache=True)
def _after(to, row, a, b, c):  # type: ignore[no-untyped-def]
    """True if a row comes after (a, b, c)."""
    if to[row] != a:
        return to[row] > a
    if to[row + 1] != b:
        return to[row + 1] > b
    return to[row + 2] > c


@njit(cache=True)
def jump(  # type: ignore[no-untyped-def]
    memory, resources_at, resources, steps, finished, since, periods, length
):
    """Move the state `periods` periods of `length` ticks ahead.

    steps: (F,) instances of each flow in one period; finished and since: the in-order marks and the
    time at the period's start. The waiting times are left to the caller.
    """
    m = address(memory)
    ahead = periods * length
    kinds = np.empty(m[FLOWS], np.int64)
    for f in range(m[FLOWS]):
        kinds[f] = kind_of(m, m[FLOWS_AT] + FLOW * f)
    for resource in range(resources_at, resources_at + RESOURCE * resources, RESOURCE):
        for i in range(m[resource + R_LEN]):
            place = (m[resource + R_HEAD] + i) & m[resource + R_MASK]
            entry = m[resource + R_BASE] + place * ENTRY
            stage = m[entry + Q_STAGE]
            f = (m[stage + S_FLOW] - m[FLOWS_AT]) // FLOW
            if m[stage + S_PARENTS] > 0 or kinds[f] != FIXED:
                m[entry + Q_READY] += ahead
            m[entry + Q_NUMBER] += periods * steps[f] // m[m[stage + S_FLOW] + F_LANES]
    for i in range(m[HEAP_LEN]):
        m[m[HEAP_AT] + 2 * i] += ahead
        node = m[m[m[HEAP_AT] + 2 * i + 1]]
        while node >= 0:
            flow = m[m[node] + S_FLOW]
            f = (flow - m[FLOWS_AT]) // FLOW
            if kinds[f] != PLAYED:
                m[node + 1] += periods * steps[f] // m[flow + F_LANES]
            node = m[node + 2]
    for i in range(2 * CACHE):
        m[m[CACHE_AT] + i] = -1
    for f in range(m[FLOWS]):
        flow = m[FLOWS_AT] + FLOW * f
        if steps[f] > 0:
            if kinds[f] != PLAYED:
                _jump_flow(m, flow, kinds[f], steps[f], finished[f], since, periods, length)
            m[flow + F_FINISHED] += periods * steps[f]
            m[ENDED] += periods * steps[f]
    for f in range(m[FLOWS]):
        if steps[f] > 0 and kinds[f] == MOVING:
            work_out_needs(m, m[FLOWS_AT] + FLOW * f)
    m[NOW] += ahead


@njit(cache=True)
def _jump_flow(m, flow, kind, step, finished, since, periods, length):  # type: ignore[no-untyped-def]
    """Fill in what happened to a flow's instances, and move its lanes ahead."""
    lanes = m[flow + F_LANES]
    shift = periods * step // lanes
    made = 0
    for i in range(lanes):
        made = max(made, m[m[flow + F_LANE] + i * LANE + L_MADE] * lanes + i - lanes + 1)
    finish, ready = m[FINISH_AT] + m[flow + F_FIRST], m[READY_AT] + m[flow + F_FIRST]
    for n in range(finished, made):
        if since < m[finish + n] <= m[NOW]:  # in the period that repeats
            for k in range(1, periods + 1):
                m[finish + n + k * step] = m[finish + n] + k * length
    if kind == MOVING:
        admitted = m[flow + F_ADMITTED]
        for n in range(admitted, admitted + periods * step):
            m[ready + n] = m[ready + n - step] + length
        m[flow + F_ADMITTED] = admitted + periods * step
    for i in range(lanes):
        lane = m[flow + F_LANE] + i * LANE
        base, width, mask = m[lane + L_BASE], m[lane + L_WIDTH], m[lane + L_MASK]
        ring = np.empty((mask + 1) * width, np.int64)
        for k in range(ring.size):
            ring[k] = m[base + k]
        for number in range(mask + 1):
            place = ((number + shift) & mask) * width
            for k in range(width):
                m[base + place + k] = ring[number * width + k]
        m[lane + L_MADE] += shift
        m[lane + L_OLDEST] += shift
