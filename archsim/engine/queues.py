"""The compiled queues: requests that wait at a resource, and services that are in progress.

`m` is the address of the memory of archsim.engine.memory; nothing here may replace it. What has to
grow takes words from the slack at its top.
"""

from __future__ import annotations

from numba import njit

from archsim.engine.memory import (
    CACHE, CACHE_AT, ENTRY, FREE_BUCKET, FREE_NODE, F_LANES, HEAP_AT, HEAP_CAP, HEAP_LEN,
    L_NUMBER, NODE, NOW, Q_END, Q_NEXT, Q_NUMBER, Q_READY, Q_STAGE, R_BASE, R_FREE, R_HEAD, R_LEN,
    R_MASK, R_TOUCHED, SIZE, STACK_AT, STACK_LEN, S_FLOW, S_LANE, S_RESOURCE, TOP,
)  # fmt: skip

MORE = 64  # records added to an empty free list


@njit(cache=True)
def reserve(m, words):  # type: ignore[no-untyped-def]
    """Take `words` at the top of the memory; BufferError if the slack is used up."""
    at = m[TOP]
    if at + words > m[SIZE]:
        raise BufferError
    m[TOP] = at + words
    return at


@njit(cache=True)
def touch(m, resource):  # type: ignore[no-untyped-def]
    """Have the next dispatch look at a resource."""
    if m[resource + R_TOUCHED] == 0:
        m[resource + R_TOUCHED] = 1
        m[m[STACK_AT] + m[STACK_LEN]] = resource
        m[STACK_LEN] += 1


@njit(cache=True)
def comes_first(m, entry, ready, stage, number):  # type: ignore[no-untyped-def]
    """True if a queue entry precedes (ready, flow, instance, stage)."""
    if m[entry + Q_READY] != ready:
        return m[entry + Q_READY] < ready
    other = m[entry + Q_STAGE]
    flow = m[stage + S_FLOW]
    if m[other + S_FLOW] != flow:
        return m[other + S_FLOW] < flow
    lanes = m[flow + F_LANES]
    other_instance = m[entry + Q_NUMBER] * lanes + m[m[other + S_LANE] + L_NUMBER]
    instance = number * lanes + m[m[stage + S_LANE] + L_NUMBER]
    if other_instance != instance:
        return other_instance < instance
    return other <= stage


@njit(cache=True)
def grow_queue(m, resource):  # type: ignore[no-untyped-def]
    cap = m[resource + R_MASK] + 1
    at = reserve(m, 2 * cap * ENTRY)
    base, head = m[resource + R_BASE], m[resource + R_HEAD]
    for i in range(m[resource + R_LEN]):
        source = base + ((head + i) & (cap - 1)) * ENTRY
        for k in range(ENTRY):
            m[at + i * ENTRY + k] = m[source + k]
    m[resource + R_BASE] = at
    m[resource + R_MASK] = 2 * cap - 1
    m[resource + R_HEAD] = 0


@njit(cache=True)
def enqueue(m, stage, number, low, high, ready):  # type: ignore[no-untyped-def]
    """Put beats low..high-1 into the queue of the stage's resource, in key order."""
    resource = m[stage + S_RESOURCE]
    length = m[resource + R_LEN]
    if length > m[resource + R_MASK]:
        grow_queue(m, resource)
    base, mask, head = m[resource + R_BASE], m[resource + R_MASK], m[resource + R_HEAD]
    if ready == m[NOW]:  # the newest: sift in from the tail
        place = length
        while place > 0:
            entry = base + ((head + place - 1) & mask) * ENTRY
            if comes_first(m, entry, ready, stage, number):
                break
            to = base + ((head + place) & mask) * ENTRY
            for k in range(ENTRY):
                m[to + k] = m[entry + k]
            place -= 1
    else:  # an instance made late keeps its ready time: sift in from the head
        head = (head - 1) & mask
        m[resource + R_HEAD] = head
        place = 0
        while place < length:
            entry = base + ((head + place + 1) & mask) * ENTRY
            if not comes_first(m, entry, ready, stage, number):
                break
            to = base + ((head + place) & mask) * ENTRY
            for k in range(ENTRY):
                m[to + k] = m[entry + k]
            place += 1
    to = base + ((head + place) & mask) * ENTRY
    m[to + Q_READY] = ready
    m[to + Q_STAGE] = stage
    m[to + Q_NUMBER] = number
    m[to + Q_NEXT] = low
    m[to + Q_END] = high
    m[resource + R_LEN] = length + 1
    if m[resource + R_FREE] > 0:
        touch(m, resource)


@njit(cache=True)
def more(m, head, width, link):  # type: ignore[no-untyped-def]
    """Add records to an empty free list."""
    at = reserve(m, MORE * width)
    for i in range(MORE):
        m[at + i * width + link] = at + (i + 1) * width if i + 1 < MORE else -1
    m[head] = at


@njit(cache=True)
def grow_heap(m):  # type: ignore[no-untyped-def]
    cap = m[HEAP_CAP]
    at = reserve(m, 4 * cap)
    for i in range(2 * cap):
        m[at + i] = m[m[HEAP_AT] + i]
    m[HEAP_AT] = at
    m[HEAP_CAP] = 2 * cap


@njit(cache=True)
def schedule(m, time, stage, number):  # type: ignore[no-untyped-def]
    """Put the end of a service into the bucket of its time, or a new bucket into the heap."""
    if m[FREE_NODE] < 0:
        more(m, FREE_NODE, NODE, NODE - 1)
    node = m[FREE_NODE]
    m[FREE_NODE] = m[node + 2]
    m[node] = stage
    m[node + 1] = number
    cached = m[CACHE_AT] + 2 * ((time ^ (time >> 10)) & (CACHE - 1))
    if m[cached] == time:
        bucket = m[cached + 1]
        m[node + 2] = m[bucket]
        m[bucket] = node
        return
    if m[FREE_BUCKET] < 0:
        more(m, FREE_BUCKET, 1, 0)
    if m[HEAP_LEN] == m[HEAP_CAP]:
        grow_heap(m)
    bucket = m[FREE_BUCKET]
    m[FREE_BUCKET] = m[bucket]
    m[node + 2] = -1
    m[bucket] = node
    m[cached] = time
    m[cached + 1] = bucket
    heap = m[HEAP_AT]
    place = m[HEAP_LEN]
    m[HEAP_LEN] = place + 1
    while place > 0:
        up = (place - 1) >> 1
        if m[heap + 2 * up] <= time:
            break
        m[heap + 2 * place] = m[heap + 2 * up]
        m[heap + 2 * place + 1] = m[heap + 2 * up + 1]
        place = up
    m[heap + 2 * place] = time
    m[heap + 2 * place + 1] = bucket


@njit(cache=True)
def pop_bucket(m):  # type: ignore[no-untyped-def]
    """Remove the earliest bucket from the heap; returns its first node."""
    heap = m[HEAP_AT]
    bucket = m[heap + 1]
    last = m[HEAP_LEN] - 1
    m[HEAP_LEN] = last
    time, moved = m[heap + 2 * last], m[heap + 2 * last + 1]
    place = 0
    while True:
        low = 2 * place + 1
        if low >= last:
            break
        if low + 1 < last and m[heap + 2 * low + 2] < m[heap + 2 * low]:
            low += 1
        if m[heap + 2 * low] >= time:
            break
        m[heap + 2 * place] = m[heap + 2 * low]
        m[heap + 2 * place + 1] = m[heap + 2 * low + 1]
        place = low
    m[heap + 2 * place] = time
    m[heap + 2 * place + 1] = moved
    node = m[bucket]
    m[bucket] = m[FREE_BUCKET]
    m[FREE_BUCKET] = bucket
    return node
