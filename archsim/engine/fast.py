"""The fast engine: the compiled event loop behind the same interface as the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from archsim.engine import memory as mem
from archsim.engine.activity import Activity
from archsim.engine.cache import load_compiled
from archsim.engine.deadlock import diagnose
from archsim.engine.fold import fold
from archsim.engine.groups import Groups, find_groups
from archsim.engine.interrupt import Deferred
from archsim.engine.options import Engine
from archsim.engine.steady import SteadyState
from archsim.program import TIME_LIMIT, Ints, Program

SERVICES_PER_CALL = 250_000  # between two looks at progress and Ctrl-C
FIRST_SLACK = 1 << 16  # words


def run_fast(
    program: Program,
    engine: Engine,
    progress: Callable[[int, int], None] | None = None,
) -> Activity:
    """Run a Program compiled; every finish time, wait, busy time and count equals the reference's.

    engine: which shortcuts to take; all are exact. Raises DeadlockError if the Program gets stuck,
    OverflowError past the time limit.
    """
    smaller, twin = fold(program) if engine.fold_lock_step else (program, np.arange(program.stages))
    groups = find_groups(smaller, merge_beats=engine.merge_beats, max_plus=engine.max_plus)
    run = _Run(smaller, groups, progress, steady_state=engine.steady_state)
    return run.activity(program, twin)


def run_logged(
    program: Program,
    sink: Callable[[Ints], None],
    rows: int,
    progress: Callable[[int, int], None] | None = None,
) -> Activity:
    """Run a Program without shortcuts and hand on (stage, instance, start, end) of each service.

    rows: about how many at a time; they are ordered by start. See archsim.engine.record.
    """
    groups = find_groups(program, merge_beats=False, max_plus=False)
    run = _Run(program, groups, progress, sink, rows)
    return run.activity(program, np.arange(program.stages))


class _Run:
    """One run of the kernel, from laying out the memory to the end."""

    def __init__(
        self,
        program: Program,
        groups: Groups,
        progress: Callable[[int, int], None] | None,
        sink: Callable[[Ints], None] | None = None,
        log_rows: int = 0,
        steady_state: bool = False,
    ):
        self.program = program
        self.groups = groups
        self.progress = progress
        self.sink = sink
        self.log_rows = log_rows
        self.logged = 0  # rows that the sink has
        self.steady_state = steady_state
        compiled = load_compiled()
        self.kernel, self.snapshot = compiled.kernel, compiled.snapshot
        slack = FIRST_SLACK
        while True:
            try:
                with Deferred() as ctrl_c:
                    self.attempt(slack, ctrl_c)
                break
            except BufferError:  # one tick needed more than the slack: give it more
                slack *= 8
            except OverflowError:
                raise OverflowError(
                    f"simulated time passes {TIME_LIMIT} ticks; use a longer tick"
                ) from None

    def attempt(self, slack: int, ctrl_c: Deferred) -> None:
        """Run from tick zero; BufferError if a tick needs more than `slack` words."""
        log_rows = self.log_rows + slack if self.log_rows else 0
        layout = mem.lay_out(self.program, self.groups, slack, log_rows)
        m, status = layout.memory, self.kernel.RUNNING
        total = int(self.program.flow_instances.sum())
        seen = 0
        self.kernel.begin(m)
        steady = None
        if self.steady_state and not self.groups.lone.any():  # those never come back
            steady = SteadyState(self.program, layout, self.snapshot)
        until = 0
        while status != self.kernel.FINISHED:
            if status == self.kernel.RUNNING:
                until = int(m[mem.EVENTS]) + (self.log_rows or SERVICES_PER_CALL)
            m, status = self.kernel.advance(m, until)
            ctrl_c.check()
            if steady is not None and status == self.kernel.CHECKPOINT:
                steady.checkpoint(replace(layout, memory=m))
                continue
            if steady is not None:
                steady.choose_anchor(replace(layout, memory=m))
            if self.sink is not None:
                seen = self.hand_on(replace(layout, memory=m), seen)
            if self.progress is not None:
                self.progress(int(m[mem.ENDED]), total)
        self.layout = replace(layout, memory=m)

    def hand_on(self, layout: mem.Layout, seen: int) -> int:
        """Empty the log into the sink; an attempt after the first skips what the sink has."""
        m = layout.memory
        at, rows = int(m[mem.LOG_AT]), int(m[mem.LOG_LEN])
        log = m[at : at + mem.LOG_ROW * rows].reshape(rows, mem.LOG_ROW)
        m[mem.LOG_LEN] = 0
        new = log[max(self.logged - seen, 0) :].copy()
        if len(new) and self.sink is not None:
            new[:, 0] = (new[:, 0] - layout.at["stage"]) // mem.STAGE
            self.sink(new)
        self.logged = max(self.logged, seen + rows)
        return seen + rows

    def activity(self, program: Program, twin: Ints) -> Activity:
        """The Activity of the whole Program, of which `twin[stage]` is simulated for a stage."""
        m, flows = self.layout.memory, self.layout.table("flow")
        if (flows[:, mem.F_FINISHED] < program.flow_instances).any():
            raise _deadlock(self.program, self.layout)
        finish = m[m[mem.FINISH_AT] :][: int(program.flow_instances.sum())].copy()
        return Activity(
            engine="fast",
            finish=tuple(np.split(finish, flows[1:, mem.F_FIRST])),
            first_start=flows[:, mem.F_START].copy(),
            wait=self.layout.table("stage")[twin, mem.S_WAIT],
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
