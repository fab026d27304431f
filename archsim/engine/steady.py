"""Steady state: when the machine's state repeats, whole periods are jumped over.

The future depends on the state alone. Two states that differ only by a shift, all times by dt and
the instances of each flow by its own dn, therefore have futures that differ by the same shift, as
long as the Program itself looks the same from both: services do not grow, edges ask for instances
that are shifted alike, no flow ends and none starts. What happened between the two then happens
again and again, dt later each time, until one of these conditions ends.

Checkpoints are taken when one flow, the anchor, passes multiples of some number of instances, so
that states of the same phase are compared. Their images (archsim.engine.snapshot) are compared in
full with that of the checkpoint before and with one further back, whose distance doubles (Brent's
way to find a cycle). Checkpoints are so far apart that a run which never repeats hardly pays.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from archsim.engine import memory as mem
from archsim.engine.memory import Layout
from archsim.engine.repetition import Checkpoint, repeats
from archsim.program import Ints, Program

NEVER = int(np.iinfo(np.int64).max)
# What a checkpoint costs, in the time of an event (about 70 ns); at first some are free.
COST, COST_PER_WORD, FREE = 300, 0.05, 10_000
SHARE = 150  # events for each one that checkpoints cost
SMALL_IMAGE = 16_384  # words; a larger one is only taken in a run of ten times as many events
FEWEST_ROUNDS = 4  # of an anchor


class SteadyState:
    """Looks for a steady state in one run of the kernel, and jumps."""

    def __init__(self, program: Program, layout: Layout, snapshot: ModuleType):
        self.program = program
        self.snapshot = snapshot
        self.buffer = np.empty(SMALL_IMAGE, np.int64)
        self.spent = 0.0
        self.stride = 1
        self.stage_flow = program.stage_flow()
        self.lanes = np.diff(program.flow_lanes)
        self.periods = _periods(program)
        self.before = layout.table("flow")[:, mem.F_FINISHED].copy()
        self.anchor = -1
        self.forget()
        self.choose_anchor(layout)

    def forget(self) -> None:
        """Start the search for a repetition anew."""
        self.further: Checkpoint | None = None
        self.last: Checkpoint | None = None
        self.age, self.power = 0, 1

    def choose_anchor(self, layout: Layout) -> None:
        """Keep an anchor that moves on, else take the flow with the fewest rounds still to go."""
        flows = layout.table("flow")
        if self.anchor >= 0:
            record = flows[self.anchor]
            done, before = int(record[mem.F_FINISHED]), int(self.before[self.anchor])
            self.before[self.anchor] = done
            if before < done <= record[mem.F_INSTANCES] - 2 * self.stride:
                return
        finished, solved = flows[:, mem.F_FINISHED], flows[:, mem.F_SOLVED] >= 0
        moving: NDArray[np.bool_] = finished > self.before
        left = self.program.flow_instances - finished
        if not moving.any():
            moving[:] = True
        self.before = finished.copy()
        rounds = np.where(solved | ~moving, 0, left // self.periods)
        stride = self.periods
        if (rounds < FEWEST_ROUNDS).all():
            rounds, stride = np.where(solved | ~moving, 0, left), np.ones_like(left)
        rounds = np.where(rounds < FEWEST_ROUNDS, NEVER, rounds)
        self.anchor = int(len(rounds) - 1 - np.argmin(rounds[::-1]))
        if rounds[self.anchor] == NEVER:
            self.anchor = -1
            layout.memory[mem.CHECK_AT] = NEVER
            return
        self.stride = int(stride[self.anchor])
        self.forget()
        self.aim(layout)

    def aim(self, layout: Layout) -> None:
        """Set the next checkpoint: the next multiple of the anchor's stride."""
        m = layout.memory
        m[mem.WATCH] = layout.at["flow"] + mem.FLOW * self.anchor + mem.F_FINISHED
        m[mem.CHECK_AT] = (int(m[m[mem.WATCH]]) // self.stride + 1) * self.stride

    def checkpoint(self, layout: Layout) -> None:
        """Compare the present state with earlier ones; jump if it repeats one."""
        if (self.spent - FREE) * SHARE > layout.memory[mem.EVENTS]:
            self.stride *= 2  # checkpoints this close cost too much
            self.aim(layout)
            return
        here = self.take(layout)
        if here is None:
            self.aim(layout)
            return
        for earlier in (self.last, self.further):
            if earlier is not None and np.array_equal(earlier.image, here.image):
                count = repeats(self.program, layout, earlier, here)
                if count > 0:
                    self.jump(layout, earlier, here, count)
                    self.forget()
                    self.aim(layout)
                    return
        self.last = here
        self.age += 1
        if self.age >= self.power:
            self.further, self.age, self.power = here, 0, 2 * self.power
        self.aim(layout)

    def take(self, layout: Layout) -> Checkpoint | None:
        """The present state, or None if it cannot be compared."""
        most = max(SMALL_IMAGE, int(layout.memory[mem.EVENTS]) // 10)
        while True:
            size = self.snapshot.take(
                layout.memory,
                layout.at["stage"],
                layout.count["stage"],
                layout.at["resource"],
                layout.count["resource"],
                self.buffer,
            )
            self.spent += COST + COST_PER_WORD * (size if size > 0 else len(self.buffer))
            if size != self.snapshot.FULL or len(self.buffer) == most:
                break
            self.buffer = np.empty(min(4 * len(self.buffer), most), np.int64)
        if size < 0:
            return None
        flows = layout.table("flow")
        return Checkpoint(
            image=self.buffer[:size].copy(),
            now=int(layout.memory[mem.NOW]),
            finished=flows[:, mem.F_FINISHED].copy(),
            admitted=flows[:, mem.F_ADMITTED].copy(),
            wait=layout.table("stage")[:, mem.S_WAIT].copy(),
        )

    def jump(self, layout: Layout, earlier: Checkpoint, here: Checkpoint, count: int) -> None:
        """Move the state `count` periods ahead."""
        steps, length = here.finished - earlier.finished, here.now - earlier.now
        unsolved = layout.table("flow")[:, mem.F_SOLVED] < 0
        stages = layout.table("stage")
        stages[:, mem.S_WAIT] += count * (here.wait - earlier.wait)
        # What waits since a fixed time waits `length` longer in each period than in the last.
        fixed = unsolved & (here.admitted == self.program.flow_instances)
        roots = (np.diff(self.program.parent_ptr) == 0) & fixed[self.stage_flow]
        queued = np.where(self.program.stage_hold > 0, 1, self.program.stage_beats)
        requests = queued * (steps // self.lanes)[self.stage_flow] * roots
        stages[:, mem.S_WAIT] += requests * length * (count * (count + 1) // 2)
        stages[unsolved[self.stage_flow], mem.S_FREE_AT] += count * length
        self.snapshot.jump(
            layout.memory,
            layout.at["resource"],
            layout.count["resource"],
            steps,
            earlier.finished,
            earlier.now,
            count,
            length,
        )


def _periods(program: Program) -> Ints:
    """(F,) a number of instances after which each flow's dependencies, lanes and growth repeat."""
    periods = np.ones(program.flows, np.int64)
    np.maximum.at(periods, program.edge_child, program.edge_period)
    grows = np.zeros(program.flows, bool)
    grows[program.stage_flow()[program.stage_slope != 0]] = True
    periods = np.where(grows, np.maximum(periods, program.flow_round), periods)
    return np.lcm(periods, np.diff(program.flow_lanes))
