"""The compiled event loop: services in progress in a heap, requests in a queue per resource.

Instances are made when they are first needed, so memory grows with what is in flight. Three facts
keep it exact (docs/timing.md proves them): beats of a stage end in order, so a count is enough;
a lane's next instance cannot be served before its previous one was, so one waiting instance per
lane is enough; within a tick only the order inside each queue matters.

All arrays are int64. Growing pools are passed in and returned.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

RUNNING, DONE, OVERFLOW = 0, 1, 2
SLOT_HEADER = 1  # stages of the instance that have not finished
PER_STAGE = 3  # beats done, beats made ready, beats started
QUEUE_FIELDS = 5  # ready time, stage, instance, first beat, end beat
NOW, HEAP, ZEROS, EVENTS, QUEUE_TOP, SLOT_TOP, TOUCHED, ENDED, FREE_EVENT = range(9)


class Static(NamedTuple):
    """The Program with the indices that the loop needs."""

    flow_instances: Ints
    flow_lanes: Ints
    flow_first: Ints  # (F + 1,) start of each flow in ready and finish
    lane_stages: Ints
    lane_flow: Ints
    root_ptr: Ints  # (L + 1,) stages without parents, by lane
    roots: Ints
    stage_lane: Ints
    stage_resource: Ints
    stage_beats: Ints
    stage_service: Ints
    stage_slope: Ints
    stage_hold: Ints
    parent_ptr: Ints
    parents: Ints
    child_ptr: Ints
    children: Ints
    edge_child: Ints
    edge_parent: Ints
    edge_period: Ints
    edge_step: Ints
    edge_repeat: Ints
    edge_table_ptr: Ints
    edge_table: Ints
    in_ptr: Ints  # edges by child
    in_edges: Ints
    out_ptr: Ints  # edges by parent
    out_edges: Ints
    time_limit: Ints  # (1,)


class State(NamedTuple):
    """What changes while the loop runs, apart from the pools that grow."""

    scalars: Ints
    ready: Ints  # by instance
    finish: Ints  # by instance, -1 until finished
    admitted: Ints  # (F,)
    finished: Ints  # (F,) in order
    first_start: Ints  # (F,)
    edge_need: Ints  # (E,) instance of the parent that the child's next instance needs
    made: Ints  # (L,) instances made
    open: Ints  # (L,) 1: the last made instance has been served, make the next
    slot_base: Ints  # (L,)
    slot_cap: Ints  # (L,)
    oldest: Ints  # (L,) first instance of the lane that may be unfinished
    free: Ints  # (R,)
    queue_base: Ints  # (R,)
    queue_cap: Ints
    queue_head: Ints
    queue_len: Ints
    touched: Ints  # (R,) stack of resources to dispatch
    is_touched: Ints
    wait: Ints  # (S,)


class Pools(NamedTuple):
    """Arrays that are replaced when they are full."""

    queue: Ints
    slots: Ints
    heap_time: Ints
    heap_event: Ints
    event_stage: Ints
    event_instance: Ints  # of a free event: the next free one
    zeros: Ints  # (2 * n,) stage and instance of services of zero ticks


@njit(cache=True)
def _grown(array, needed):  # type: ignore[no-untyped-def]
    if needed <= array.size:
        return array
    bigger = np.empty(max(needed, 2 * array.size), np.int64)
    bigger[: array.size] = array
    return bigger


@njit(cache=True)
def _touch(state, resource):  # type: ignore[no-untyped-def]
    if state.is_touched[resource] == 0:
        state.is_touched[resource] = 1
        state.touched[state.scalars[TOUCHED]] = resource
        state.scalars[TOUCHED] += 1


@njit(cache=True)
def _before(static, queue, at, ready, flow, instance, stage):  # type: ignore[no-untyped-def]
    """True if the queue entry at `at` comes before (ready, flow, instance, stage)."""
    if queue[at] != ready:
        return queue[at] < ready
    other = queue[at + 1]
    other_flow = static.lane_flow[static.stage_lane[other]]
    if other_flow != flow:
        return other_flow < flow
    if queue[at + 2] != instance:
        return queue[at + 2] < instance
    return other <= stage


@njit(cache=True)
def _enqueue(static, state, queue, stage, instance, low, high, ready):  # type: ignore[no-untyped-def]
    """Put beats low..high-1 into the queue of the stage's resource, in key order."""
    resource = static.stage_resource[stage]
    cap, length = state.queue_cap[resource], state.queue_len[resource]
    if length == cap:
        top = state.scalars[QUEUE_TOP]
        queue = _grown(queue, top + 2 * cap * QUEUE_FIELDS)
        base, head = state.queue_base[resource], state.queue_head[resource]
        for i in range(length):
            source = base + ((head + i) & (cap - 1)) * QUEUE_FIELDS
            for k in range(QUEUE_FIELDS):
                queue[top + i * QUEUE_FIELDS + k] = queue[source + k]
        cap = 2 * cap
        state.queue_base[resource] = top
        state.queue_cap[resource] = cap
        state.queue_head[resource] = 0
        state.scalars[QUEUE_TOP] = top + cap * QUEUE_FIELDS
    base, head = state.queue_base[resource], state.queue_head[resource]
    mask = cap - 1
    flow = static.lane_flow[static.stage_lane[stage]]
    if ready == state.scalars[NOW]:  # newest: sift in from the tail
        place = length
        while place > 0:
            at = base + ((head + place - 1) & mask) * QUEUE_FIELDS
            if _before(static, queue, at, ready, flow, instance, stage):
                break
            to = base + ((head + place) & mask) * QUEUE_FIELDS
            for k in range(QUEUE_FIELDS):
                queue[to + k] = queue[at + k]
            place -= 1
    else:  # an instance made late keeps its old ready time: sift in from the head
        head = (head - 1) & mask
        state.queue_head[resource] = head
        place = 0
        while place < length:
            at = base + ((head + place + 1) & mask) * QUEUE_FIELDS
            if not _before(static, queue, at, ready, flow, instance, stage):
                break
            to = base + ((head + place) & mask) * QUEUE_FIELDS
            for k in range(QUEUE_FIELDS):
                queue[to + k] = queue[at + k]
            place += 1
    to = base + ((head + place) & mask) * QUEUE_FIELDS
    queue[to] = ready
    queue[to + 1] = stage
    queue[to + 2] = instance
    queue[to + 3] = low
    queue[to + 4] = high
    state.queue_len[resource] = length + 1
    if state.free[resource] > 0:
        _touch(state, resource)
    return queue


@njit(cache=True)
def _make(static, state, queue, slots, lane, number):  # type: ignore[no-untyped-def]
    """Make a lane's next admitted instance: a fresh slot, and its root stages in their queues."""
    flow = static.lane_flow[lane]
    lanes = static.flow_lanes[flow + 1] - static.flow_lanes[flow]
    offset = static.flow_first[flow] + lane - static.flow_lanes[flow]
    width = SLOT_HEADER + PER_STAGE * (static.lane_stages[lane + 1] - static.lane_stages[lane])
    oldest = state.oldest[lane]
    while oldest < number and state.finish[offset + oldest * lanes] >= 0:
        oldest += 1
    state.oldest[lane] = oldest
    cap = state.slot_cap[lane]
    if number - oldest >= cap:
        top = state.scalars[SLOT_TOP]
        slots = _grown(slots, top + 2 * cap * width)
        for k in range(oldest, number):
            source = state.slot_base[lane] + (k & (cap - 1)) * width
            target = top + (k & (2 * cap - 1)) * width
            slots[target : target + width] = slots[source : source + width]
        state.slot_base[lane] = top
        cap = 2 * cap
        state.slot_cap[lane] = cap
        state.scalars[SLOT_TOP] = top + cap * width
    slot = state.slot_base[lane] + (number & (cap - 1)) * width
    slots[slot : slot + width] = 0
    slots[slot] = static.lane_stages[lane + 1] - static.lane_stages[lane]
    state.made[lane] = number + 1
    state.open[lane] = 0
    instance = number * lanes + lane - static.flow_lanes[flow]
    ready = state.ready[static.flow_first[flow] + instance]
    for i in range(static.root_ptr[lane], static.root_ptr[lane + 1]):
        stage = static.roots[i]
        beats = static.stage_beats[stage]
        local = slot + SLOT_HEADER + PER_STAGE * (stage - static.lane_stages[lane])
        slots[local + 1] = beats
        high = 1 if static.stage_hold[stage] else beats
        queue = _enqueue(static, state, queue, stage, instance, 0, high, ready)
    return queue, slots


@njit(cache=True)
def _need(static, state, flow):  # type: ignore[no-untyped-def]
    """Work out what the flow's next instance needs of each parent."""
    n = state.admitted[flow]
    for i in range(static.in_ptr[flow], static.in_ptr[flow + 1]):
        edge = static.in_edges[i]
        period = static.edge_period[edge]
        round_, rest = n // period, n % period
        table = static.edge_table_ptr[edge] + rest // static.edge_repeat[edge]
        state.edge_need[edge] = round_ * static.edge_step[edge] + static.edge_table[table]


@njit(cache=True)
def _admit(static, state, queue, slots, flow):  # type: ignore[no-untyped-def]
    """Admit the flow's next instances as far as their dependencies have finished."""
    while state.admitted[flow] < static.flow_instances[flow]:
        for i in range(static.in_ptr[flow], static.in_ptr[flow + 1]):
            edge = static.in_edges[i]
            if state.edge_need[edge] >= state.finished[static.edge_parent[edge]]:
                return queue, slots
        n = state.admitted[flow]
        state.ready[static.flow_first[flow] + n] = state.scalars[NOW]
        state.admitted[flow] = n + 1
        _need(static, state, flow)
        lanes = static.flow_lanes[flow + 1] - static.flow_lanes[flow]
        lane = static.flow_lanes[flow] + n % lanes
        if state.open[lane] and state.made[lane] == n // lanes:
            queue, slots = _make(static, state, queue, slots, lane, n // lanes)
    return queue, slots


@njit(cache=True)
def _push(heap_time, heap_event, size, time, event):  # type: ignore[no-untyped-def]
    place = size
    while place > 0:
        up = (place - 1) >> 1
        if heap_time[up] <= time:
            break
        heap_time[place] = heap_time[up]
        heap_event[place] = heap_event[up]
        place = up
    heap_time[place] = time
    heap_event[place] = event


@njit(cache=True)
def _pop(heap_time, heap_event, size):  # type: ignore[no-untyped-def]
    """Remove the root of a heap of `size` entries and close the gap."""
    last = size - 1
    time, event = heap_time[last], heap_event[last]
    place = 0
    while True:
        low = 2 * place + 1
        if low >= last:
            break
        if low + 1 < last and heap_time[low + 1] < heap_time[low]:
            low += 1
        if heap_time[low] >= time:
            break
        heap_time[place] = heap_time[low]
        heap_event[place] = heap_event[low]
        place = low
    heap_time[place] = time
    heap_event[place] = event


@njit(cache=True)
def _serve(static, state, pools, stage, instance):  # type: ignore[no-untyped-def]
    """Start one beat on a server that is already taken; returns the pools, or OVERFLOW."""
    queue, slots, heap_time, heap_event, event_stage, event_instance, zeros = pools
    scalars = state.scalars
    lane = static.stage_lane[stage]
    flow = static.lane_flow[lane]
    lanes = static.flow_lanes[flow + 1] - static.flow_lanes[flow]
    number = instance // lanes
    first = static.lane_stages[lane]
    slot = state.slot_base[lane] + (number & (state.slot_cap[lane] - 1)) * (
        SLOT_HEADER + PER_STAGE * (static.lane_stages[lane + 1] - first)
    )
    slots[slot + SLOT_HEADER + PER_STAGE * (stage - first) + 2] += 1
    scalars[EVENTS] += 1
    now = scalars[NOW]
    if state.first_start[flow] < 0:
        state.first_start[flow] = now
    service = static.stage_service[stage] + static.stage_slope[stage] * instance
    if now + service > static.time_limit[0]:
        return pools, OVERFLOW
    if service == 0:
        count = scalars[ZEROS]
        zeros = _grown(zeros, 2 * count + 2)
        zeros[2 * count] = stage
        zeros[2 * count + 1] = instance
        scalars[ZEROS] = count + 1
    else:
        event = scalars[FREE_EVENT]
        if event < 0:
            event = event_stage.size
            event_stage = _grown(event_stage, event + 1)
            event_instance = _grown(event_instance, event + 1)
            for spare in range(event, event_stage.size):
                event_instance[spare] = spare + 1
            event_instance[event_stage.size - 1] = -1
        scalars[FREE_EVENT] = event_instance[event]
        event_stage[event] = stage
        event_instance[event] = instance
        size = scalars[HEAP]
        heap_time = _grown(heap_time, size + 1)
        heap_event = _grown(heap_event, size + 1)
        _push(heap_time, heap_event, size, now + service, event)
        scalars[HEAP] = size + 1
    if static.parent_ptr[stage] == static.parent_ptr[stage + 1] and state.open[lane] == 0:
        if state.made[lane] == number + 1:  # the newest is being served: the next may queue
            state.open[lane] = 1
            if instance + lanes < state.admitted[flow]:
                queue, slots = _make(static, state, queue, slots, lane, number + 1)
    return (
        Pools(queue, slots, heap_time, heap_event, event_stage, event_instance, zeros),
        RUNNING,
    )


@njit(cache=True)
def _dispatch(static, state, pools):  # type: ignore[no-untyped-def]
    """Free servers take waiting requests, until no resource has both."""
    scalars = state.scalars
    while scalars[TOUCHED] > 0:
        scalars[TOUCHED] -= 1
        resource = state.touched[scalars[TOUCHED]]
        state.is_touched[resource] = 0
        while state.free[resource] > 0 and state.queue_len[resource] > 0:
            queue = pools.queue
            at = (
                state.queue_base[resource]
                + (state.queue_head[resource] & (state.queue_cap[resource] - 1)) * QUEUE_FIELDS
            )
            ready, stage, instance = queue[at], queue[at + 1], queue[at + 2]
            queue[at + 3] += 1
            if queue[at + 3] == queue[at + 4]:
                state.queue_head[resource] += 1
                state.queue_len[resource] -= 1
            state.free[resource] -= 1
            state.wait[stage] += scalars[NOW] - ready
            pools, status = _serve(static, state, pools, stage, instance)
            if status != RUNNING:
                return pools, status
    return pools, RUNNING


@njit(cache=True)
def _end(static, state, pools, stage, instance):  # type: ignore[no-untyped-def]
    """A beat ends: free its server, make children's beats ready, finish the instance."""
    queue, slots = pools.queue, pools.slots
    scalars = state.scalars
    lane = static.stage_lane[stage]
    flow = static.lane_flow[lane]
    lanes = static.flow_lanes[flow + 1] - static.flow_lanes[flow]
    first = static.lane_stages[lane]
    slot = state.slot_base[lane] + ((instance // lanes) & (state.slot_cap[lane] - 1)) * (
        SLOT_HEADER + PER_STAGE * (static.lane_stages[lane + 1] - first)
    )
    own = slot + SLOT_HEADER + PER_STAGE * (stage - first)
    slots[own] += 1
    done, beats = slots[own], static.stage_beats[stage]
    resource = static.stage_resource[stage]
    goes_on = False
    if static.stage_hold[stage] == 0 or done == beats:
        state.free[resource] += 1
        if state.queue_len[resource] > 0:
            _touch(state, resource)
    elif slots[own + 1] > done:
        goes_on = True  # the held server takes its next beat at once
    for i in range(static.child_ptr[stage], static.child_ptr[stage + 1]):
        child = static.children[i]
        child_beats = static.stage_beats[child]
        at = slot + SLOT_HEADER + PER_STAGE * (child - first)
        ready = child_beats
        for j in range(static.parent_ptr[child], static.parent_ptr[child + 1]):
            parent = static.parents[j]
            parent_done = slots[slot + SLOT_HEADER + PER_STAGE * (parent - first)]
            parent_beats = static.stage_beats[parent]
            if parent_done < parent_beats:
                ready = min(ready, parent_done * child_beats // parent_beats)
        before = slots[at + 1]
        if ready > before:
            slots[at + 1] = ready
            if static.stage_hold[child] == 0:
                queue = _enqueue(
                    static, state, queue, child, instance, before, ready, scalars[NOW]
                )
            elif before == 0:
                queue = _enqueue(static, state, queue, child, instance, 0, 1, scalars[NOW])
            elif slots[at] > 0 and slots[at] == slots[at + 2]:  # its held server is idle
                pools = Pools(queue, slots, *pools[2:])
                pools, status = _serve(static, state, pools, child, instance)
                if status != RUNNING:
                    return pools, status
    if goes_on:
        pools = Pools(queue, slots, *pools[2:])
        pools, status = _serve(static, state, pools, stage, instance)
        if status != RUNNING:
            return pools, status
    if done == beats:
        slots[slot] -= 1
        if slots[slot] == 0:
            state.finish[static.flow_first[flow] + instance] = scalars[NOW]
            scalars[ENDED] += 1
            mark, total = state.finished[flow], static.flow_instances[flow]
            if mark == instance:
                base = static.flow_first[flow]
                while mark < total and state.finish[base + mark] >= 0:
                    mark += 1
                state.finished[flow] = mark
                for i in range(static.out_ptr[flow], static.out_ptr[flow + 1]):
                    edge = static.out_edges[i]
                    if state.edge_need[edge] < mark:
                        queue, slots = _admit(static, state, queue, slots, static.edge_child[edge])
    return Pools(queue, slots, *pools[2:]), RUNNING


@njit(cache=True)
def begin(static, state, pools):  # type: ignore[no-untyped-def]
    """Round zero of tick zero: admit what depends on nothing."""
    for flow in range(static.flow_instances.size):
        _need(static, state, flow)
    queue, slots = pools.queue, pools.slots
    for flow in range(static.flow_instances.size):
        queue, slots = _admit(static, state, queue, slots, flow)
    return _dispatch(static, state, Pools(queue, slots, *pools[2:]))


@njit(cache=True)
def advance(static, state, pools, budget):  # type: ignore[no-untyped-def]
    """Run whole ticks until `budget` more services have started, or to the end."""
    scalars = state.scalars
    until = scalars[EVENTS] + budget
    while scalars[HEAP] > 0 or scalars[ZEROS] > 0:
        if scalars[ZEROS] == 0:
            if scalars[EVENTS] >= until:
                return pools, RUNNING
            now = pools.heap_time[0]
            scalars[NOW] = now
            while scalars[HEAP] > 0 and pools.heap_time[0] == now:
                event = pools.heap_event[0]
                _pop(pools.heap_time, pools.heap_event, scalars[HEAP])
                scalars[HEAP] -= 1
                stage, instance = pools.event_stage[event], pools.event_instance[event]
                pools.event_instance[event] = scalars[FREE_EVENT]
                scalars[FREE_EVENT] = event
                pools, status = _end(static, state, pools, stage, instance)
                if status != RUNNING:
                    return pools, status
        else:  # a further round of the same tick: what was started in the last one ends
            count = scalars[ZEROS]
            for i in range(count):
                stage, instance = pools.zeros[2 * i], pools.zeros[2 * i + 1]
                pools, status = _end(static, state, pools, stage, instance)
                if status != RUNNING:
                    return pools, status
            zeros = pools.zeros
            for i in range(2 * count, 2 * scalars[ZEROS]):
                zeros[i - 2 * count] = zeros[i]
            scalars[ZEROS] -= count
        pools, status = _dispatch(static, state, pools)
        if status != RUNNING:
            return pools, status
    return pools, DONE
