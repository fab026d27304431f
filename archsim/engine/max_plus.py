"""Max-plus: stages that nobody else can delay follow from the admission of their instance.

A stage belongs to the group below its lane's admission if it has one server that no other stage
uses, and all its parents (for a root, none) belong to it. Instances of a lane are admitted in
order, so requests reach every member instance by instance and beat by beat, and a running maximum
over the stage graph gives all its times. If nothing outside can delay a whole flow, and the flows
that it depends on are of the same kind, its finish times need no events at all; if it waits for
others only before its first instance, they follow from the admission of that one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.program import Ints, Program


def rooted_stages(program: Program) -> Ints:
    """(S,) 1 for the members of groups below the admission of a lane.

    A lane has such a group only if all its roots are in it. Whoever reads a member from outside
    has one beat (it sees complete members), and members that are read from outside or not at all
    take time, so that their ends come in the first round of a tick.
    """
    users = np.bincount(program.stage_resource, minlength=program.resources)
    alone = (users == 1) & (program.resource_servers == 1)
    shortest, _ = program.service_range()
    takes_time = shortest > 0
    parents, child = program.parents, _children(program)
    wide = program.stage_beats[child] != 1
    member = _closed(program, alone[program.stage_resource])
    while True:
        outside = ~member[child]
        leaky = np.zeros(program.stages, bool)
        leaky[parents[outside & wide]] = True
        inner = np.zeros(program.stages, bool)
        inner[parents[~outside]] = True
        seen = np.zeros(program.stages, bool)
        seen[parents[outside]] = True
        bad = member & (leaky | (~takes_time & (seen | ~inner)))
        if not bad.any():
            break
        member = _closed(program, member & ~bad)
    lane = np.repeat(np.arange(len(program.lane_stages) - 1), np.diff(program.lane_stages))
    roots = np.diff(program.parent_ptr) == 0
    broken = np.zeros(len(program.lane_stages) - 1, bool)
    broken[lane[roots & ~member]] = True
    return (member & ~broken[lane]).astype(np.int64)


def solved_flows(program: Program, rooted: Ints) -> Ints:
    """(F,) 1 for flows all of whose stages are members and that depend on such flows only."""
    solved = np.ones(program.flows, bool)
    solved[program.stage_flow()[rooted == 0]] = False
    while True:
        lost = solved[program.edge_child] & ~solved[program.edge_parent]
        if not lost.any():
            return solved.astype(np.int64)
        solved[program.edge_child[lost]] = False


def lone_flows(program: Program, rooted: Ints, solved: Ints) -> Ints:
    """(F,) 1 for flows whose finish times all follow once their first instance is admitted.

    All stages of such a flow are members, it has one lane, its instances wait for each other and
    otherwise for the same instances of other flows, and others wait for nothing but its last
    instance. A row of cells that is programmed loop by loop is of this kind.
    """
    child, parent = program.edge_child, program.edge_parent
    lone = (solved == 0) & (np.diff(program.flow_lanes) == 1) & (program.flow_instances > 1)
    lone[program.stage_flow()[rooted == 0]] = False
    table, first = program.edge_table, program.edge_table_ptr[:-1]
    last = program.flow_instances[child] - 1
    inside = (last % program.edge_period) // program.edge_repeat
    need_first = table[first] if len(first) else table[:0]
    need_last = (last // program.edge_period) * program.edge_step + (
        table[first + inside] if len(first) else table[:0]
    )
    own = child == parent
    # its own edges: each instance waits for earlier ones, at a distance that never shrinks
    behind = (program.edge_period == 1) & (program.edge_step == 1) & (need_first < 0)
    steady = np.maximum(need_first, -1) == np.maximum(need_last, -1)
    from_others = np.where(own, behind, steady)
    to_others = own | (steady & (need_last == program.flow_instances[parent] - 1))
    lone[child[~from_others]] = False
    lone[parent[~to_others]] = False
    result: Ints = lone.astype(np.int64)
    return result


def _children(program: Program) -> Ints:
    """The child of each entry of `parents`."""
    return np.repeat(np.arange(program.stages), np.diff(program.parent_ptr)).astype(np.int64)


def _closed(program: Program, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The stages that are allowed, and whose ancestors all are."""
    child = _children(program)
    member = allowed.copy()
    while True:
        lost = member[child] & ~member[program.parents]
        if not lost.any():
            return member
        member[child[lost]] = False
