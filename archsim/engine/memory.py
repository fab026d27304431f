"""The kernel's memory: one int64 array of records, addressed like a machine's.

An id inside the kernel is the address of a record; a field is an offset. One array keeps compiled
calls cheap and a record in one or two cache lines.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archsim.engine.groups import Groups
from archsim.program import TIME_LIMIT, Ints, Program

# Header
NOW, EVENTS, ENDED, TOP, HEAP_LEN, HEAP_AT, FREE_NODE, BUCKETS_AT, FREE_BUCKET = range(9)
CACHE_AT, ZEROS_LEN, ZEROS_AT, STACK_LEN, STACK_AT, LIMIT, READY_AT, FINISH_AT = range(9, 17)
FLOWS, FLOWS_AT, SLACK, HEAP_CAP, SIZE, LOG_AT, LOG_LEN, LOG_CAP = range(17, 25)
WATCH, CHECK_AT, HEADER = 25, 26, 27  # a word that only grows, and at which value to stop

# Resource record
R_FREE, R_BASE, R_MASK, R_HEAD, R_LEN, R_TOUCHED, RESOURCE = 0, 1, 2, 3, 4, 5, 8

# Flow record
F_INSTANCES, F_FIRST, F_LANES, F_LANE, F_ADMITTED, F_FINISHED, F_START = range(7)
F_IN, F_IN_AT, F_OUT, F_OUT_AT, F_ROUND, F_EVERY, F_SOLVED, F_LONE = range(7, 15)
F_GROWTH, FLOW = 15, 16  # address of the growth table, 0 for none

# Lane record
L_FLOW, L_NUMBER, L_STAGES, L_WIDTH, L_ROOTS, L_ROOTS_AT, L_BASE, L_MASK = range(8)
L_MADE, L_OPEN, L_OLDEST, L_MEMBERS, L_MEMBERS_AT, LANE = range(8, 14)  # below its admission

# Stage record
S_RESOURCE, S_BEATS, S_SERVICE, S_SLOPE, S_HOLD, S_LANE, S_FLOW, S_LOCAL = range(8)
S_PARENTS, S_PARENTS_AT, S_CHILDREN, S_CHILDREN_AT, S_WAIT = 8, 9, 10, 11, 12
S_MEMBERS, S_MEMBERS_AT = 13, 14  # of the group that a stage heads
S_MERGED, S_ENTRY, S_FREE_AT, S_TIMES_AT, STAGE = 15, 16, 17, 18, 19
ALONE, INNER, VISIBLE, SINK = 0, 1, 2, 3  # S_MERGED: outside groups, or what its end matters to

# Edge record
E_CHILD, E_PARENT, E_PERIOD, E_STEP, E_REPEAT, E_TABLE, E_NEED, EDGE = 0, 1, 2, 3, 4, 5, 6, 7

# A slot holds an instance in flight: stages left, then per stage beats done, ready and started.
SLOT_HEADER, PER_STAGE, DONE, READY, STARTED = 1, 3, 0, 1, 2

# Queue entry: ready time, stage, instance of the lane, next beat, end beat
Q_READY, Q_STAGE, Q_NUMBER, Q_NEXT, Q_END, ENTRY = 0, 1, 2, 3, 4, 5
CACHE = 1024  # recent end times, to put services that end together into one bucket
LOG_ROW = 4  # stage, instance, start, end
NODE = 3  # stage, instance of the lane, next node of the bucket
FIRST_SLOTS, FIRST_QUEUE = 2, 4  # initial capacities, powers of two


# Numba compiles a file anew when it changes, but not when one that it uses does.
COMPILED = ("queues", "closed_form", "instances", "solved", "kernel", "snapshot")
_USED = [Path(__file__).with_name(f"{name}.py") for name in ("memory", "address", *COMPILED)]
STAMP = zlib.crc32(b"".join(path.read_bytes() for path in _USED))

WIDTH = {"resource": RESOURCE, "flow": FLOW, "lane": LANE, "stage": STAGE, "edge": EDGE}


@dataclass(frozen=True)
class Layout:
    """The memory, and by kind of record where its records start and how many there are."""

    memory: Ints
    at: dict[str, int]
    count: dict[str, int]

    def table(self, kind: str) -> Ints:
        """(records, fields) view of all records of a kind."""
        at, width = self.at[kind], WIDTH[kind]
        return self.memory[at : at + width * self.count[kind]].reshape(-1, width)


def lay_out(program: Program, groups: Groups, slack: int, log_rows: int = 0) -> Layout:
    """Put a Program into memory, ready to run.

    Queues, slots and the heap grow at the top, where `slack` words and room for the largest of
    them to double are free when a tick begins. log_rows: room in the log of services, 0 for none.
    """
    resources, flows, stages = program.resources, program.flows, program.stages
    lanes, edges = len(program.lane_stages) - 1, len(program.edge_child)
    instances = int(program.flow_instances.sum())
    beats = program.stage_runs() * program.stage_beats
    most = np.zeros(resources, np.int64)
    np.add.at(most, program.stage_resource, beats)
    services = int(np.minimum(program.resource_servers, most).sum()) + 1
    in_ptr, in_edges = grouped(program.edge_child, flows)
    out_ptr, out_edges = grouped(program.edge_parent, flows)
    below = np.repeat(np.arange(stages), np.diff(program.parent_ptr))
    member = groups.member > 0
    outside = ~member[below]  # members hear of their parents through their group
    child_ptr, by_parent = grouped(program.parents[outside], stages)
    children = below[outside][by_parent]
    member_ptr, by_head = grouped(np.where(groups.head < 0, stages, groups.head), stages + 1)
    members = by_head[: member_ptr[stages]]
    rooted = np.flatnonzero(groups.rooted)
    rooted_ptr = np.searchsorted(rooted, program.lane_stages)
    entry = np.zeros(stages, np.int64)
    entry[below[program.parents == groups.head[below]]] = 1
    merged = np.where(member, INNER, ALONE)
    merged[groups.visible > 0], merged[groups.sink > 0] = VISIBLE, SINK
    scratch = np.where(member, program.stage_beats, 0)
    roots = np.flatnonzero((np.diff(program.parent_ptr) == 0) & ~member)
    root_ptr = np.searchsorted(roots, program.lane_stages)
    lane_flow = np.repeat(np.arange(flows), np.diff(program.flow_lanes))
    stage_lane = np.repeat(np.arange(lanes), np.diff(program.lane_stages))
    lane_stages = np.diff(program.lane_stages)
    # of a group's sinks only the one that ends last is waited for
    ends = groups.sink * (1 + np.where(groups.rooted > 0, stages, groups.head))
    last = np.unique(np.stack([stage_lane, ends])[:, ends > 0], axis=1)[0]
    counted = np.bincount(stage_lane[(merged == ALONE) | (merged == VISIBLE)], minlength=lanes)
    counted += np.bincount(last, minlength=lanes)
    widths = SLOT_HEADER + PER_STAGE * lane_stages

    place = _Allocator()
    count = {
        "resource": resources,
        "flow": flows,
        "lane": lanes,
        "stage": stages,
        "edge": edges,
    }
    record_at = {kind: place(WIDTH[kind] * number) for kind, number in count.items()}
    resource_at, flow_at, lane_at, stage_at, edge_at = record_at.values()
    lists = {
        name: (place(len(values)), base + width * values)
        for name, values, base, width in (
            ("parents", program.parents, stage_at, STAGE),
            ("children", children, stage_at, STAGE),
            ("members", members, stage_at, STAGE),
            ("rooted", rooted, stage_at, STAGE),
            ("roots", roots, stage_at, STAGE),
            ("in", in_edges, edge_at, EDGE),
            ("out", out_edges, edge_at, EDGE),
            ("table", program.edge_table, 0, 1),
            ("growth", program.growth_table, 0, 1),
        )
    }
    header = np.zeros(HEADER, np.int64)
    header[FLOWS], header[FLOWS_AT] = flows, flow_at
    header[LIMIT] = TIME_LIMIT
    header[WATCH], header[CHECK_AT] = NOW, np.iinfo(np.int64).max
    header[READY_AT] = place(instances)
    header[FINISH_AT] = place(instances)
    times_at = place(int(scratch.sum()))
    header[HEAP_AT], header[HEAP_CAP] = place(2 * services), services
    nodes_at = place(NODE * services)
    header[BUCKETS_AT] = place(services)
    header[CACHE_AT] = place(2 * CACHE)
    header[ZEROS_AT] = place(4 * services)
    header[STACK_AT] = place(resources)
    header[LOG_AT], header[LOG_CAP] = place(LOG_ROW * log_rows), log_rows
    queue_at = place(FIRST_QUEUE * ENTRY * resources)
    slot_at = place(int(FIRST_SLOTS * widths.sum()))
    header[TOP] = place.top

    header[SLACK] = slack
    memory = np.zeros(3 * place.top + slack, np.int64)  # pages that are never used cost nothing
    header[SIZE] = len(memory)
    memory[:HEADER] = header
    layout = Layout(memory, record_at, count)
    for at, addresses in lists.values():
        memory[at : at + len(addresses)] = addresses

    def fill(kind: str, columns: dict[int, Ints | int]) -> None:
        for column, values in columns.items():
            layout.table(kind)[:, column] = values

    fill(
        "resource",
        {
            R_FREE: program.resource_servers,
            R_BASE: queue_at + FIRST_QUEUE * ENTRY * np.arange(resources),
            R_MASK: FIRST_QUEUE - 1,
        },
    )
    fill(
        "flow",
        {
            F_INSTANCES: program.flow_instances,
            F_ROUND: program.flow_round,
            F_EVERY: program.flow_every,
            F_GROWTH: np.where(
                np.diff(program.flow_growth_ptr) > 0,
                lists["growth"][0] + program.flow_growth_ptr[:-1],
                0,
            ),
            F_SOLVED: groups.solved - 1,
            F_LONE: groups.lone,
            F_FIRST: np.cumsum(program.flow_instances) - program.flow_instances,
            F_LANES: np.diff(program.flow_lanes),
            F_LANE: lane_at + LANE * program.flow_lanes[:-1],
            F_START: -1,
            F_IN: np.diff(in_ptr),
            F_IN_AT: lists["in"][0] + in_ptr[:-1],
            F_OUT: np.diff(out_ptr),
            F_OUT_AT: lists["out"][0] + out_ptr[:-1],
        },
    )
    fill(
        "lane",
        {
            L_FLOW: flow_at + FLOW * lane_flow,
            L_NUMBER: np.arange(lanes) - program.flow_lanes[lane_flow],
            L_STAGES: counted,
            L_WIDTH: widths,
            L_ROOTS: np.diff(root_ptr),
            L_ROOTS_AT: lists["roots"][0] + root_ptr[:-1],
            L_BASE: slot_at + FIRST_SLOTS * (np.cumsum(widths) - widths),
            L_MASK: FIRST_SLOTS - 1,
            L_OPEN: 1,
            L_MEMBERS: np.diff(rooted_ptr),
            L_MEMBERS_AT: lists["rooted"][0] + rooted_ptr[:-1],
        },
    )
    fill(
        "stage",
        {
            S_RESOURCE: resource_at + RESOURCE * program.stage_resource,
            S_BEATS: program.stage_beats,
            S_SERVICE: program.stage_service,
            S_SLOPE: program.stage_slope,
            S_HOLD: program.stage_hold,
            S_LANE: lane_at + LANE * stage_lane,
            S_FLOW: flow_at + FLOW * lane_flow[stage_lane],
            S_LOCAL: SLOT_HEADER
            + PER_STAGE * (np.arange(stages) - program.lane_stages[stage_lane]),
            S_PARENTS: np.diff(program.parent_ptr),
            S_PARENTS_AT: lists["parents"][0] + program.parent_ptr[:-1],
            S_CHILDREN: np.diff(child_ptr),
            S_CHILDREN_AT: lists["children"][0] + child_ptr[:-1],
            S_MEMBERS: np.diff(member_ptr)[:stages],
            S_MEMBERS_AT: lists["members"][0] + member_ptr[:stages],
            S_MERGED: merged,
            S_ENTRY: entry,
            S_TIMES_AT: times_at + np.cumsum(scratch) - scratch,
        },
    )
    fill(
        "edge",
        {
            E_CHILD: flow_at + FLOW * program.edge_child,
            E_PARENT: flow_at + FLOW * program.edge_parent,
            E_PERIOD: program.edge_period,
            E_STEP: program.edge_step,
            E_REPEAT: program.edge_repeat,
            E_TABLE: lists["table"][0] + program.edge_table_ptr[:-1],
        },
    )
    memory[header[FINISH_AT] : header[FINISH_AT] + instances] = -1
    _chain(memory, nodes_at, NODE, services, NODE - 1)
    memory[FREE_NODE] = nodes_at
    _chain(memory, int(header[BUCKETS_AT]), 1, services, 0)
    memory[FREE_BUCKET] = header[BUCKETS_AT]
    memory[header[CACHE_AT] : header[CACHE_AT] + 2 * CACHE] = -1
    return layout


class _Allocator:
    """Hands out consecutive addresses above the header."""

    def __init__(self) -> None:
        self.top = HEADER

    def __call__(self, size: int) -> int:
        at = self.top
        self.top += size
        return at


def _chain(memory: Ints, base: int, width: int, count: int, link: int) -> None:
    """Link records into a free list that ends with -1."""
    links = base + width * np.arange(1, count + 1)
    links[-1] = -1
    memory[base : base + width * count].reshape(count, width)[:, link] = links


def grouped(keys: Ints, groups: int) -> tuple[Ints, Ints]:
    """Where each group starts, and the indices of `keys` sorted by key."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    counts = np.bincount(keys, minlength=groups)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), order
