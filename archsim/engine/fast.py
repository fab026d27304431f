"""The fast engine: the compiled event loop behind the same interface as the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from archsim.engine.activity import Activity
from archsim.engine.deadlock import diagnose
from archsim.engine.fold import fold
from archsim.program import TIME_LIMIT, Ints, Program

SERVICES_PER_CALL = 2_000_000  # between two looks at progress and Ctrl-C
SLOTS, QUEUE = 2, 4  # initial capacities, powers of two


def run_fast(
    program: Program,
    progress: Callable[[int, int], None] | None = None,
    *,
    fold_lock_step: bool = True,
) -> Activity:
    """Run a Program compiled; every finish time, wait, busy time and count equals the reference's.

    fold_lock_step: simulate identical private chains once (archsim.engine.fold).
    Raises DeadlockError if it gets stuck, OverflowError past the time limit.
    """
    from archsim.engine import kernel

    smaller, twin = fold(program) if fold_lock_step else (program, np.arange(program.stages))
    static, state, pools = _arrays(smaller, kernel)
    total = int(program.flow_instances.sum())
    pools, status = kernel.begin(static, state, pools)
    while status == kernel.RUNNING:
        pools, status = kernel.advance(static, state, pools, SERVICES_PER_CALL)
        if progress is not None:
            progress(int(state.scalars[kernel.ENDED]), total)
    if status == kernel.OVERFLOW:
        raise OverflowError(f"simulated time passes {TIME_LIMIT} ticks; use a longer tick")
    if (state.finished < program.flow_instances).any():
        raise _deadlock(smaller, state, pools, kernel)
    return Activity(
        engine="fast",
        finish=tuple(np.split(state.finish, static.flow_first[1:-1])),
        first_start=state.first_start,
        wait=state.wait[twin],
        busy=program.busy_ticks(),
        counts=program.action_counts(),
        events=int(state.scalars[kernel.EVENTS]),
    )


def _arrays(program: Program, kernel: Any) -> tuple[Any, Any, Any]:
    flows, stages, resources = program.flows, program.stages, program.resources
    edges = len(program.edge_child)
    lanes = len(program.lane_stages) - 1
    lane_flow = np.repeat(np.arange(flows), np.diff(program.flow_lanes))
    stage_lane = np.repeat(np.arange(lanes), np.diff(program.lane_stages))
    roots = np.flatnonzero(np.diff(program.parent_ptr) == 0)
    child_of = np.repeat(np.arange(stages), np.diff(program.parent_ptr))
    child_ptr, by_parent = _grouped(program.parents, stages)
    in_ptr, in_edges = _grouped(program.edge_child, flows)
    out_ptr, out_edges = _grouped(program.edge_parent, flows)
    widths = kernel.SLOT_HEADER + kernel.PER_STAGE * np.diff(program.lane_stages)
    slot_first = _pointers(SLOTS * widths)
    static = kernel.Static(
        flow_instances=program.flow_instances,
        flow_lanes=program.flow_lanes,
        flow_first=_pointers(program.flow_instances),
        lane_stages=program.lane_stages,
        lane_flow=lane_flow,
        root_ptr=np.searchsorted(roots, program.lane_stages).astype(np.int64),
        roots=roots,
        stage_lane=stage_lane,
        stage_resource=program.stage_resource,
        stage_beats=program.stage_beats,
        stage_service=program.stage_service,
        stage_slope=program.stage_slope,
        stage_hold=program.stage_hold,
        parent_ptr=program.parent_ptr,
        parents=program.parents,
        child_ptr=child_ptr,
        children=child_of[by_parent],
        edge_child=program.edge_child,
        edge_parent=program.edge_parent,
        edge_period=program.edge_period,
        edge_step=program.edge_step,
        edge_repeat=program.edge_repeat,
        edge_table_ptr=program.edge_table_ptr,
        edge_table=program.edge_table,
        in_ptr=in_ptr,
        in_edges=in_edges,
        out_ptr=out_ptr,
        out_edges=out_edges,
        time_limit=np.array([TIME_LIMIT], np.int64),
    )
    scalars = np.zeros(9, np.int64)
    scalars[kernel.QUEUE_TOP] = resources * QUEUE * kernel.QUEUE_FIELDS
    scalars[kernel.SLOT_TOP] = slot_first[-1]
    scalars[kernel.FREE_EVENT] = -1
    total = int(program.flow_instances.sum())
    state = kernel.State(
        scalars=scalars,
        ready=np.zeros(total, np.int64),
        finish=np.full(total, -1, np.int64),
        admitted=np.zeros(flows, np.int64),
        finished=np.zeros(flows, np.int64),
        first_start=np.full(flows, -1, np.int64),
        edge_need=np.zeros(edges, np.int64),
        made=np.zeros(lanes, np.int64),
        open=np.ones(lanes, np.int64),
        slot_base=slot_first[:-1].copy(),
        slot_cap=np.full(lanes, SLOTS, np.int64),
        oldest=np.zeros(lanes, np.int64),
        free=program.resource_servers.copy(),
        queue_base=np.arange(resources, dtype=np.int64) * QUEUE * kernel.QUEUE_FIELDS,
        queue_cap=np.full(resources, QUEUE, np.int64),
        queue_head=np.zeros(resources, np.int64),
        queue_len=np.zeros(resources, np.int64),
        touched=np.zeros(resources, np.int64),
        is_touched=np.zeros(resources, np.int64),
        wait=np.zeros(stages, np.int64),
    )
    pools = kernel.Pools(
        queue=np.zeros(max(int(scalars[kernel.QUEUE_TOP]), 1), np.int64),
        slots=np.zeros(max(int(scalars[kernel.SLOT_TOP]), 1), np.int64),
        heap_time=np.zeros(64, np.int64),
        heap_event=np.zeros(64, np.int64),
        event_stage=np.zeros(0, np.int64),
        event_instance=np.zeros(0, np.int64),
        zeros=np.zeros(16, np.int64),
    )
    return static, state, pools


def _deadlock(program: Program, state: Any, pools: Any, kernel: Any) -> Exception:
    stage_flow = program.stage_flow()
    waiting = []
    for resource in np.flatnonzero(state.queue_len > 0):
        for i in range(int(state.queue_len[resource])):
            place = (int(state.queue_head[resource]) + i) & (int(state.queue_cap[resource]) - 1)
            at = int(state.queue_base[resource]) + place * kernel.QUEUE_FIELDS
            waiting.append((int(stage_flow[pools.queue[at + 1]]), int(resource)))
    holding = []
    for stage in np.flatnonzero(program.stage_hold):
        lane = int(np.searchsorted(program.lane_stages, stage, side="right")) - 1
        first, last = int(program.lane_stages[lane]), int(program.lane_stages[lane + 1])
        width = kernel.SLOT_HEADER + kernel.PER_STAGE * (last - first)
        for number in range(int(state.oldest[lane]), int(state.made[lane])):
            slot = int(state.slot_base[lane]) + (number & (int(state.slot_cap[lane]) - 1)) * width
            at = slot + kernel.SLOT_HEADER + kernel.PER_STAGE * (int(stage) - first)
            done, started = int(pools.slots[at]), int(pools.slots[at + 2])
            if started and done < program.stage_beats[stage]:
                holding.append((int(stage_flow[stage]), int(program.stage_resource[stage])))
    return diagnose(program, state.finished, waiting, holding)


def _grouped(keys: Ints, groups: int) -> tuple[Ints, Ints]:
    """Indices of `keys` sorted by key, and where each group starts."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    return _pointers(np.bincount(keys, minlength=groups)), order


def _pointers(lengths: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
