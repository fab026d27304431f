"""The reference engine: SimPy processes, one beat at a time. It is the definition of the contract.

A tick goes in rounds. SimPy runs all events of normal priority at time t first: those are the
services that end and everything they make ready. Then the one event of low priority comes, the
*dispatch*, which gives free servers to waiting requests. A service of zero ticks ends in the
events that follow, and so in the next round.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from archsim.engine.activity import Activity
from archsim.engine.deadlock import diagnose
from archsim.program import TIME_LIMIT, Program

DISPATCH_PRIORITY = 10  # after simpy.events.NORMAL
Key = tuple[int, int, int, int, int]  # ready time, flow, instance, stage, beat
Process = Generator[simpy.Event, Any, None]


class _Resource:
    """Identical servers behind one queue ordered by key."""

    def __init__(self, servers: int):
        self.free = servers
        self.waiting: list[tuple[Key, simpy.Event]] = []
        self.holders: list[int] = []


class _Stage:
    """Progress of one stage of one instance: beats done, and who waits for them."""

    def __init__(self, env: simpy.Environment, beats: int):
        self.done = [env.event() for _ in range(beats)]


class Reference:
    """One run of a Program. `progress(finished, total)` is called as instances finish."""

    def __init__(self, program: Program, progress: Callable[[int, int], None] | None = None):
        self.program = program
        self.progress = progress
        self.env = simpy.Environment()
        self.resources = [_Resource(int(n)) for n in program.resource_servers]
        self.finish = [np.full(int(n), -1, np.int64) for n in program.flow_instances]
        self.finished = np.zeros(program.flows, np.int64)  # in order
        self.admitted = np.zeros(program.flows, np.int64)
        self.first_start = np.full(program.flows, -1, np.int64)
        self.wait = np.zeros(program.stages, np.int64)
        self.busy = np.zeros(program.resources, np.int64)
        self.counts = np.zeros(len(program.action_counts()), np.int64)
        self.events = 0
        self.ended = 0
        self.log: list[tuple[int, int, int, int]] | None = None  # archsim.engine.record
        self.resuming: list[simpy.Event] = []  # next beats of holding stages
        self.changed: dict[int, _Resource] = {}  # with a new request or a freed server
        self.dispatch_due = False
        self.in_edges = [np.flatnonzero(program.edge_child == f) for f in range(program.flows)]
        self.out_edges = [np.flatnonzero(program.edge_parent == f) for f in range(program.flows)]

    def begin(self) -> None:
        """Admit what depends on nothing."""
        for flow in range(self.program.flows):
            self.admit(flow)

    def run_part(self, services: int) -> bool:
        """Run whole ticks until `services` more have started; False once nothing is left to do.

        Finish times up to the tick that was run last are then those of the whole run.
        """
        until = self.events + services
        with contextlib.suppress(simpy.core.EmptySchedule):
            while self.events < until or self.env.peek() <= self.env.now:
                self.env.step()
            return True
        return False

    def run(self) -> Activity:
        """Run to the end; DeadlockError if it gets stuck, OverflowError past the time limit."""
        self.begin()
        self.env.run()
        return self.activity()

    def activity(self) -> Activity:
        """What happened, once nothing is left to do; DeadlockError if not all has finished."""
        if (self.finished < self.program.flow_instances).any():
            raise self.deadlock()
        return Activity(
            engine="reference",
            finish=tuple(self.finish),
            first_start=self.first_start,
            wait=self.wait,
            busy=self.busy,
            counts=self.counts,
            events=self.events,
        )

    # --- instances -----------------------------------------------------------------------

    def admit(self, flow: int) -> None:
        """Start every instance whose dependencies have finished, in order."""
        program = self.program
        while self.admitted[flow] < program.flow_instances[flow]:
            instance = int(self.admitted[flow])
            for edge in self.in_edges[flow]:
                need = program.needed(int(edge), np.asarray([instance]))[0]
                if need >= self.finished[program.edge_parent[edge]]:
                    return
            self.admitted[flow] += 1
            self.env.process(self.instance(flow, instance))

    def instance(self, flow: int, number: int) -> Process:
        """Run the stage graph of one instance on its lane."""
        program = self.program
        lanes = program.flow_lanes[flow + 1] - program.flow_lanes[flow]
        lane = program.flow_lanes[flow] + number % lanes
        first, last = int(program.lane_stages[lane]), int(program.lane_stages[lane + 1])
        progress = {s: _Stage(self.env, int(program.stage_beats[s])) for s in range(first, last)}
        for stage in range(first, last):
            if program.stage_hold[stage]:
                self.env.process(self.holding_stage(flow, number, stage, progress))
            else:
                for beat in range(int(program.stage_beats[stage])):
                    self.env.process(self.beat(flow, number, stage, beat, progress))
        for state in progress.values():
            yield state.done[-1]
        self.finish[flow][number] = self.env.now
        self.ended += 1
        if self.progress is not None:
            self.progress(self.ended, int(program.flow_instances.sum()))
        self.advance(flow)

    def advance(self, flow: int) -> None:
        """Move the flow's in-order mark and admit whoever waited for it."""
        before = int(self.finished[flow])
        mark, times = before, self.finish[flow]
        while mark < len(times) and times[mark] >= 0:
            mark += 1
        self.finished[flow] = mark
        if mark > before:
            for edge in self.out_edges[flow]:
                self.admit(int(self.program.edge_child[edge]))

    # --- beats ---------------------------------------------------------------------------

    def beat(
        self, flow: int, n: int, stage: int, beat: int, progress: dict[int, _Stage]
    ) -> Process:
        """One beat of a stage that releases its server after every beat."""
        yield from self.parents_of(stage, beat, progress)
        resource = self.resources[self.program.stage_resource[stage]]
        yield self.request(resource, (int(self.env.now), flow, n, stage, beat))
        yield from self.serve(flow, n, stage)
        resource.free += 1
        self.request_dispatch(resource)
        progress[stage].done[beat].succeed()

    def holding_stage(self, flow: int, n: int, stage: int, progress: dict[int, _Stage]) -> Process:
        """All beats of a stage that keeps one server from its first beat to its last."""
        resource = self.resources[self.program.stage_resource[stage]]
        for beat, done in enumerate(progress[stage].done):
            yield from self.parents_of(stage, beat, progress)
            if beat == 0:
                yield self.request(resource, (int(self.env.now), flow, n, stage, beat))
                resource.holders.append(flow)
            else:
                yield self.resume()
            # Later beats may have been ready while the server worked on an earlier one.
            yield from self.serve(flow, n, stage)
            if beat == len(progress[stage].done) - 1:
                resource.free += 1
                resource.holders.remove(flow)
                self.request_dispatch(resource)
            done.succeed()

    def parents_of(self, stage: int, beat: int, progress: dict[int, _Stage]) -> Process:
        """Wait for beat ceil((beat + 1) * b_p / b) - 1 of every parent with b_p beats."""
        program = self.program
        for parent in program.parents[program.parent_ptr[stage] : program.parent_ptr[stage + 1]]:
            beats = len(progress[parent].done)
            needed = -(-(beat + 1) * beats // int(program.stage_beats[stage])) - 1
            event = progress[parent].done[needed]
            if not event.processed:
                yield event

    def serve(self, flow: int, n: int, stage: int) -> Process:
        """Occupy the server for the beat's service time."""
        program = self.program
        growth = (n % int(program.flow_round[flow])) // int(program.flow_every[flow])
        first, last = program.flow_growth_ptr[flow : flow + 2]
        if first < last:
            growth = int(program.growth_table[first + growth])
        service = int(program.stage_service[stage] + program.stage_slope[stage] * growth)
        if self.env.now + service > TIME_LIMIT:
            raise OverflowError(f"simulated time passes {TIME_LIMIT} ticks; use a longer tick")
        if self.first_start[flow] < 0:
            self.first_start[flow] = self.env.now
        self.events += 1
        if self.log is not None:
            self.log.append((stage, n, int(self.env.now), int(self.env.now) + service))
        self.busy[program.stage_resource[stage]] += service
        if program.stage_action[stage] >= 0:
            self.counts[program.stage_action[stage]] += program.stage_count[stage]
        yield self.env.timeout(service)

    # --- servers -------------------------------------------------------------------------

    def request(self, resource: _Resource, key: Key) -> simpy.Event:
        """Ask for a server; the event comes in the dispatch that grants it."""
        granted = self.env.event()
        heapq.heappush(resource.waiting, (key, granted))
        self.request_dispatch(resource)
        return granted

    def resume(self) -> simpy.Event:
        """Start the next beat on a server that is already held."""
        granted = self.env.event()
        self.resuming.append(granted)
        self.request_dispatch()
        return granted

    def request_dispatch(self, resource: _Resource | None = None) -> None:
        """Have this round end with a dispatch that looks at a resource."""
        if resource is not None:
            self.changed[id(resource)] = resource
        if not self.dispatch_due:
            self.dispatch_due = True
            event = self.env.event()
            event._ok, event._value = True, None
            event.callbacks = [self.dispatch]
            self.env.schedule(event, priority=DISPATCH_PRIORITY)  # type: ignore[arg-type]

    def dispatch(self, _: simpy.Event) -> None:
        """The second half of a round: free servers take waiting requests in key order."""
        self.dispatch_due = False
        for granted in self.resuming:
            granted.succeed()
        self.resuming.clear()
        changed, self.changed = self.changed, {}
        for resource in changed.values():
            while resource.free and resource.waiting:
                key, granted = heapq.heappop(resource.waiting)
                resource.free -= 1
                self.wait[key[3]] += int(self.env.now) - key[0]
                granted.succeed()

    def deadlock(self) -> Exception:
        waiting = [(k[1], r) for r, res in enumerate(self.resources) for k, _ in res.waiting]
        holding = [(flow, r) for r, res in enumerate(self.resources) for flow in res.holders]
        return diagnose(self.program, self.finished, waiting, holding)


def run_reference(program: Program, progress: Callable[[int, int], None] | None = None) -> Activity:
    """Run a Program on SimPy."""
    return Reference(program, progress).run()
