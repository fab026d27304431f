"""Lock-step folding: identical private chains are simulated once.

Two stages of a lane take the same times, beat by beat, if each has a resource of its own, the
resources are alike, the stages are alike, and they have the same parents (or parents that are
themselves folded together). By induction over the stage graph every such stage starts and ends
with its twin, so one of them is enough; whoever waits for both waits for one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.engine.cache import load_compiled
from archsim.program import Ints, Program


def fold(program: Program) -> tuple[Program, Ints]:
    """Remove stages that run in lock-step with another one of their lane.

    Returns the smaller Program and, (S,), for each stage of the original its stage in the smaller.
    """
    users = np.bincount(program.stage_resource, minlength=program.resources)
    kind = np.stack(
        [
            program.resource_servers[program.stage_resource],
            program.stage_beats,
            program.stage_service,
            program.stage_slope,
            program.stage_hold,
        ],
        axis=1,
    )
    twin, lengths, flat = load_compiled().twins.find_twins(
        program.parent_ptr,
        program.parents,
        np.repeat(np.arange(len(program.lane_stages) - 1), np.diff(program.lane_stages)),
        users[program.stage_resource] == 1,
        kind,
    )
    kept = np.flatnonzero(twin == np.arange(program.stages))
    if len(kept) == program.stages:
        return program, twin
    renumber = np.full(program.stages, -1, np.int64)
    renumber[kept] = np.arange(len(kept))
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
        parent_ptr=np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int64),
        parents=renumber[flat],
    )
    return smaller, renumber[twin]
