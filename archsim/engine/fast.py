"""The fast engine: the compiled event loop behind the same interface as the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from archsim.engine import memory as mem
from archsim.engine.activity import Activity
from archsim.engine.cache import load_kernel
from archsim.engine.deadlock import diagnose
from archsim.engine.fold import fold
from archsim.engine.merge import find_groups, no_groups
from archsim.program import TIME_LIMIT, Program

SERVICES_PER_CALL = 1_000_000  # between two looks at progress and Ctrl-C
FIRST_SLACK = 1 << 16  # words


def run_fast(
    program: Program,
    progress: Callable[[int, int], None] | None = None,
    *,
    fold_lock_step: bool = True,
    merge_beats: bool = True,
) -> Activity:
    """Run a Program compiled; every finish time, wait, busy time and count equals the reference's.

    fold_lock_step: simulate identical private chains once (archsim.engine.fold); merge_beats: work
    out private groups of stages at once (archsim.engine.merge). Both are exact.
    Raises DeadlockError if it gets stuck, OverflowError past the time limit.
    """
    kernel = load_kernel()
    smaller, twin = fold(program) if fold_lock_step else (program, np.arange(program.stages))
    groups = find_groups(smaller) if merge_beats else no_groups(smaller)
    total = int(program.flow_instances.sum())
    slack = FIRST_SLACK
    while True:
        try:
            layout = mem.lay_out(smaller, groups, slack)
            m, status = layout.memory, kernel.RUNNING
            kernel.begin(m)
            while status == kernel.RUNNING:
                m, status = kernel.advance(m, SERVICES_PER_CALL)
                if progress is not None:
                    progress(int(m[mem.ENDED]), total)
            break
        except SystemError as error:  # how compiled code reports a signal handler's exception
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
        except BufferError:  # one tick needed more than the slack: give it more
            slack *= 8
        except OverflowError:
            raise OverflowError(
                f"simulated time passes {TIME_LIMIT} ticks; use a longer tick"
            ) from None
    layout = replace(layout, memory=m)
    flows = layout.table("flow")
    if (flows[:, mem.F_FINISHED] < program.flow_instances).any():
        raise _deadlock(smaller, layout)
    finish = m[m[mem.FINISH_AT] : m[mem.FINISH_AT] + total].copy()
    return Activity(
        engine="fast",
        finish=tuple(np.split(finish, flows[1:, mem.F_FIRST])),
        first_start=flows[:, mem.F_START].copy(),
        wait=layout.table("stage")[twin, mem.S_WAIT],
        busy=program.busy_ticks(),
        counts=program.action_counts(),
        events=int(m[mem.EVENTS]),
    )


def _deadlock(program: Program, layout: mem.Layout) -> Exception:
    m, stage_flow = layout.memory, program.stage_flow()
    lanes, stages = layout.table("lane"), layout.table("stage")
    waiting = []
    for resource, record in enumerate(layout.table("resource")):
        for i in range(int(record[mem.R_LEN])):
            place = int(record[mem.R_HEAD] + i) & int(record[mem.R_MASK])
            stage = m[int(record[mem.R_BASE]) + place * mem.ENTRY + mem.Q_STAGE]
            number = (int(stage) - layout.at["stage"]) // mem.STAGE
            waiting.append((int(stage_flow[number]), resource))
    holding = []
    for stage in np.flatnonzero(program.stage_hold):
        record = stages[stage]
        lane = lanes[(int(record[mem.S_LANE]) - layout.at["lane"]) // mem.LANE]
        for number in range(int(lane[mem.L_OLDEST]), int(lane[mem.L_MADE])):
            slot = int(lane[mem.L_BASE]) + (number & int(lane[mem.L_MASK])) * int(lane[mem.L_WIDTH])
            done, _, started = m[slot + int(record[mem.S_LOCAL]) :][: mem.PER_STAGE]
            if started and done < record[mem.S_BEATS]:
                holding.append((int(stage_flow[stage]), int(program.stage_resource[stage])))
    finished = layout.table("flow")[:, mem.F_FINISHED]
    return diagnose(program, finished, waiting, holding)
