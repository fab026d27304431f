"""Lock-step folding: identical private chains are simulated once.

Two stages of a lane take the same times, beat by beat, if each has a resource of its own, the
resources are alike, the stages are alike, and they have the same parents (or parents that are
themselves folded together). By induction over the stage graph every such stage starts and ends
with its twin, so one of them is enough; whoever waits for both waits for one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.program import Ints, Program


def fold(program: Program) -> tuple[Program, Ints]:
    """Remove stages that run in lock-step with another one of their lane.

    Returns the smaller Program and, (S,), for each stage of the original its stage in the smaller.
    """
    users = np.bincount(program.stage_resource, minlength=program.resources)
    private = (users[program.stage_resource] == 1).tolist()
    alike: dict[tuple[int, ...], int] = {}  # a number for each kind of stage
    kinds = [
        alike.setdefault(kind, len(alike))
        for kind in zip(
            program.resource_servers[program.stage_resource].tolist(),
            program.stage_beats.tolist(),
            program.stage_service.tolist(),
            program.stage_slope.tolist(),
            program.stage_hold.tolist(),
            strict=True,
        )
    ]
    lanes = np.arange(len(program.lane_stages) - 1)
    lane = np.repeat(lanes, np.diff(program.lane_stages)).tolist()
    parents, pointers = program.parents.tolist(), program.parent_ptr.tolist()
    twin = list(range(program.stages))
    seen: dict[tuple[int, int | tuple[int, ...]], int] = {}
    kept_parents: dict[int, tuple[int, ...]] = {}
    for stage, alone in enumerate(private):
        first, last = pointers[stage], pointers[stage + 1]
        own: tuple[int, ...]
        if last - first == 1:  # most stages; the parent says which lane it is
            own = (twin[parents[first]],)
            key: tuple[int, int | tuple[int, ...]] = (kinds[stage], own[0])
        else:
            own = tuple(sorted({twin[p] for p in parents[first:last]}))
            key = (kinds[stage], own or -1 - lane[stage])
        if alone:
            twin[stage] = seen.setdefault(key, stage)
        if twin[stage] == stage:
            kept_parents[stage] = own
    if len(kept_parents) == program.stages:
        return program, np.arange(program.stages, dtype=np.int64)
    kept = np.fromiter(kept_parents, np.int64)
    renumber = np.full(program.stages, -1, np.int64)
    renumber[kept] = np.arange(len(kept))
    lengths = np.fromiter((len(p) for p in kept_parents.values()), np.int64)
    flat = np.fromiter((p for own in kept_parents.values() for p in own), np.int64)
    smaller = replace(
        program,
        lane_stages=np.searchsorted(kept, program.lane_stages).astype(np.int64),
        **{
            name: getattr(program, name)[kept]
            for name in (
                "stage_resource",
                "stage_beats",
                "stage_service",
                "stage_slope",
                "stage_hold",
                "stage_action",
                "stage_count",
            )
        },
        parent_ptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        parents=renumber[flat],
    )
    return smaller, renumber[np.asarray(twin, dtype=np.int64)]
