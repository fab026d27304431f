"""Merging beats: a group of stages that nobody else can disturb is worked out at once.

A *group* hangs below one stage of one beat, its *head*, on a single server with services above
zero. Every member has a resource of its own with one server and services above zero, and its
parents are the head or other members; stages outside see only complete members, because they have
one beat. Two ends of the head never fall together, so requests reach each member in the order of
the head's ends, instance by instance and beat by beat, and

    start of a beat = max(when its parents' beats allow it, end of the resource's beat before)

gives all times as soon as the head ends. Only the ends of members that somebody outside waits for,
or that nobody waits for, become events.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from archsim.program import Ints, Program


@dataclass(frozen=True)
class Groups:
    """head: (S,) the head of each member's group, -1 for stages outside; visible: (S,) members
    whose ends are events."""

    head: Ints
    visible: Ints


def no_groups(program: Program) -> Groups:
    """Every stage on its own."""
    return Groups(
        np.full(program.stages, -1, np.int64),
        np.zeros(program.stages, np.int64),
    )


def find_groups(program: Program) -> Groups:
    """All groups of a Program that spare at least one event."""
    users = np.bincount(program.stage_resource, minlength=program.resources)
    takes_time = np.minimum(program.stage_service, program.last_service()) > 0
    one_server = program.resource_servers[program.stage_resource] == 1
    private = (takes_time & one_server & (users[program.stage_resource] == 1)).tolist()
    leads = (takes_time & one_server & (program.stage_beats == 1)).tolist()
    beats = program.stage_beats.tolist()
    pointers, flat = program.parent_ptr.tolist(), program.parents.tolist()

    head = [-1] * program.stages
    members: dict[int, list[int]] = defaultdict(list)
    for stage, alone in enumerate(private):
        parents = flat[pointers[stage] : pointers[stage + 1]]
        if not alone or not parents:
            continue
        heads = {head[p] for p in parents}
        if len(heads) == 1 and -1 not in heads:
            head[stage] = heads.pop()
        elif len(parents) == 1 and leads[parents[0]]:
            head[stage] = parents[0]
        if head[stage] >= 0:
            members[head[stage]].append(stage)

    child = np.repeat(np.arange(program.stages), np.diff(program.parent_ptr)).tolist()
    leaky: set[int] = set()
    inner, seen = set(), set()
    for parent, below in zip(flat, child, strict=True):
        if head[parent] < 0:
            continue
        if head[below] == head[parent]:
            inner.add(parent)
        else:
            seen.add(parent)
            if beats[below] != 1:
                leaky.add(head[parent])
    result = no_groups(program)
    for leader, stages in members.items():
        visible = [s for s in stages if s in seen or s not in inner]
        if leader not in leaky and sum(beats[s] for s in stages) > len(visible):
            result.head[stages] = leader
            result.visible[visible] = 1
    return result
