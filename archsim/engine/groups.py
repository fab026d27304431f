"""Groups of stages whose times are worked out in closed form instead of event by event.

All members of a group belong to one lane. A group hangs below a stage, its head
(archsim.engine.merge), or below the admission of an instance (archsim.engine.max_plus). Every
member has one server of its own, serves instance by instance and beat by beat, and so

    start of a beat = max(when its parents' beats allow it, end of the beat before it)

gives all times as soon as the group's input is known. Only what somebody outside waits for becomes
an event: the last beat of a *visible* member, and of the *sinks*, which nobody waits for, the one
that ends last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.engine.max_plus import lone_flows, rooted_stages, solved_flows
from archsim.engine.merge import merge_heads
from archsim.program import Ints, Program


@dataclass(frozen=True)
class Groups:
    """head: (S,) the stage that a member's group hangs below, -1 for all others; rooted, visible,
    sink: (S,) 1 for members of a group below the admission, for members whose last beat is an
    event, and for members that nobody waits for; solved: (F,) 1 for flows that need no events;
    lone: (F,) 1 for flows that need one, at their end."""

    head: Ints
    rooted: Ints
    visible: Ints
    sink: Ints
    solved: Ints
    lone: Ints

    @property
    def member(self) -> Ints:
        """(S,) 1 for the members of any group."""
        return ((self.head >= 0) | (self.rooted > 0)).astype(np.int64)


def find_groups(program: Program, *, merge_beats: bool, max_plus: bool) -> Groups:
    """The groups of a Program, of the kinds that are switched on."""
    rooted = np.zeros(program.stages, np.int64)
    head = np.full(program.stages, -1, np.int64)
    solved = np.zeros(program.flows, np.int64)
    lone = np.zeros(program.flows, np.int64)
    if max_plus:
        rooted = rooted_stages(program)
        solved = solved_flows(program, rooted)
        lone = lone_flows(program, rooted, solved)
    if merge_beats:
        head = merge_heads(program, rooted)
    group = np.where(rooted > 0, program.stages, head)  # within a lane, each has its own number
    below = np.repeat(np.arange(program.stages), np.diff(program.parent_ptr))
    leaves = group[program.parents] != group[below]
    seen = np.zeros(program.stages, np.int64)
    seen[program.parents[leaves]] = 1
    inner = np.zeros(program.stages, np.int64)
    inner[program.parents[~leaves]] = 1
    member = group >= 0
    return Groups(
        head=head,
        rooted=rooted,
        visible=(member & (seen > 0)).astype(np.int64),
        sink=(member & (seen == 0) & (inner == 0)).astype(np.int64),
        solved=solved,
        lone=lone,
    )
