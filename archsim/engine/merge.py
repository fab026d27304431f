"""Merging beats: a group of stages that nobody else can disturb is worked out at once.

A *group* hangs below one stage of one beat, its *head*, on a single server with services above
zero. Every member has a resource of its own with one server and services above zero, and its
parents are the head or other members; stages outside see only complete members, because they have
one beat. Two ends of the head never fall together, so requests reach each member in the order of
the head's ends, instance by instance and beat by beat, and

    start of a beat = max(when its parents' beats allow it, end of the resource's beat before)

gives all times as soon as the head ends (archsim.engine.groups).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from archsim.program import Ints, Program


def merge_heads(program: Program, taken: Ints) -> Ints:
    """(S,) the head of each member's group, -1 for stages outside; each group spares an event.

    taken: (S,) 1 for stages that another closed form covers.
    """
    users = np.bincount(program.stage_resource, minlength=program.resources)
    takes_time = program.service_range()[0] > 0
    one_server = program.resource_servers[program.stage_resource] == 1
    free = one_server & takes_time & (taken == 0)
    private = (free & (users[program.stage_resource] == 1)).tolist()
    leads = (free & (program.stage_beats == 1)).tolist()
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
    result = np.full(program.stages, -1, np.int64)
    for leader, stages in members.items():
        visible = sum(s in seen or s not in inner for s in stages)
        if leader not in leaky and sum(beats[s] for s in stages) > visible:
            result[stages] = leader
    return result
