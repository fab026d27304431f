"""The Program: plain arrays that an engine can run. It knows neither layers nor components.

Docs: docs/timing.md states the contract; both engines keep it to the tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
TIME_LIMIT = 2**62  # ticks; no reachable time may pass it


class ProgramError(ValueError):
    """A Program that breaks the contract: the message names the flow, stage or edge."""


@dataclass(frozen=True)
class Program:
    """Resources, flows, lanes, stages and dependencies as int64 arrays.

    Shapes: R resources, F flows, L lanes, S stages, E edges.

    A flow repeats its work for instances 0..N-1. It has one or more *lanes*, copies of its stage
    graph on other resources; instance n runs on lane n mod (lanes of the flow). A stage is `beats`
    services of `service + slope * n` ticks on one server of its resource. Parents of a stage are
    stages of the same lane with lower index.

    An edge lets instance n of `edge_child` start once instances 0..g(n) of `edge_parent` have
    finished, with g(n) = (n // period) * step + table[(n % period) // repeat]; g(n) < 0 asks for
    nothing. A credit (finite buffer) is an edge from the consumer back to the producer.
    """

    resource_servers: Ints  # (R,)
    flow_instances: Ints  # (F,)
    flow_lanes: Ints  # (F + 1,) first lane of each flow
    lane_stages: Ints  # (L + 1,) first stage of each lane
    stage_resource: Ints  # (S,)
    stage_beats: Ints  # (S,)
    stage_service: Ints  # (S,) ticks
    stage_slope: Ints  # (S,) ticks per instance
    stage_hold: Ints  # (S,) 1: keeps its server from first to last beat
    stage_action: Ints  # (S,) action id, -1 for none
    stage_count: Ints  # (S,) actions per beat
    parent_ptr: Ints  # (S + 1,)
    parents: Ints
    edge_child: Ints  # (E,)
    edge_parent: Ints  # (E,)
    edge_period: Ints  # (E,)
    edge_step: Ints  # (E,)
    edge_repeat: Ints  # (E,)
    edge_table_ptr: Ints  # (E + 1,)
    edge_table: Ints
    resource_names: tuple[str, ...] = ()
    flow_names: tuple[str, ...] = ()
    edge_names: tuple[str, ...] = ()

    @property
    def flows(self) -> int:
        return len(self.flow_instances)

    @property
    def stages(self) -> int:
        return len(self.stage_beats)

    @property
    def resources(self) -> int:
        return len(self.resource_servers)

    def stage_flow(self) -> Ints:
        """(S,) the flow of each stage."""
        lane_flow = np.repeat(np.arange(self.flows), np.diff(self.flow_lanes))
        return np.repeat(lane_flow, np.diff(self.lane_stages)).astype(np.int64)

    def stages_of(self, flow: int) -> slice:
        """The stages of a flow, of all its lanes."""
        first, last = self.flow_lanes[flow : flow + 2]
        return slice(int(self.lane_stages[first]), int(self.lane_stages[last]))

    def last_service(self) -> Ints:
        """(S,) service time of each stage for its flow's last instance, in ticks."""
        last: Ints = self.flow_instances[self.stage_flow()] - 1
        return self.stage_service + self.stage_slope * last

    def stage_runs(self) -> Ints:
        """(S,) instances that each stage serves: those of its flow that fall on its lane."""
        lanes = np.diff(self.flow_lanes)
        lane_flow = np.repeat(np.arange(self.flows), lanes)
        lane_number = np.arange(len(lane_flow)) - self.flow_lanes[lane_flow]
        runs = (self.flow_instances[lane_flow] - lane_number + lanes[lane_flow] - 1) // lanes[
            lane_flow
        ]
        return np.repeat(np.maximum(runs, 0), np.diff(self.lane_stages)).astype(np.int64)

    def services(self) -> int:
        """Stage beats that a complete run executes."""
        return int((self.stage_runs() * self.stage_beats).sum())

    def action_counts(self) -> Ints:
        """Actions of each id that a complete run counts."""
        used = self.stage_action >= 0
        totals = np.zeros(int(self.stage_action.max(initial=-1)) + 1, np.int64)
        amount = self.stage_runs() * self.stage_beats * self.stage_count
        np.add.at(totals, self.stage_action[used], amount[used])
        return totals

    def stage_busy(self) -> Ints:
        """(S,) sum of all service times of each stage."""
        runs = self.stage_runs()
        lanes = np.diff(self.flow_lanes)
        flow = self.stage_flow()
        lane_of_stage = np.repeat(np.arange(len(self.lane_stages) - 1), np.diff(self.lane_stages))
        first = lane_of_stage - self.flow_lanes[flow]
        # sum of n over the lane's instances n = first + i * lanes
        instance_sum = runs * first + lanes[flow] * (runs * (runs - 1) // 2)
        busy: Ints = self.stage_beats * (
            runs * self.stage_service + self.stage_slope * instance_sum
        )
        longest = np.maximum(self.stage_service, self.last_service())
        if (longest.astype(float) * self.stage_beats * runs).sum() > TIME_LIMIT:
            raise OverflowError(f"the busy time passes {TIME_LIMIT} ticks; use a longer tick")
        return busy

    def busy_ticks(self) -> Ints:
        """(R,) sum of all service times on each resource, over all its servers."""
        busy = np.zeros(self.resources, np.int64)
        np.add.at(busy, self.stage_resource, self.stage_busy())
        return busy

    def needed(self, edge: int, instances: Ints) -> Ints:
        """g(n) of an edge for an array of instances n, clipped to -1 from below."""
        period, step = int(self.edge_period[edge]), int(self.edge_step[edge])
        table = self.edge_table[self.edge_table_ptr[edge] : self.edge_table_ptr[edge + 1]]
        inside = table[(instances % period) // int(self.edge_repeat[edge])]
        need: Ints = np.maximum((instances // period) * step + inside, -1)
        return need


@dataclass
class ProgramBuilder:
    """Collects resources, flows, lanes, stages and edges, in that order, and checks them."""

    _resources: list[int] = field(default_factory=list)
    _resource_names: list[str] = field(default_factory=list)
    _flows: list[tuple[str, int]] = field(default_factory=list)
    _flow_lanes: list[int] = field(default_factory=list)
    _lane_stages: list[int] = field(default_factory=list)
    _stages: list[tuple[int, int, int, int, int, int, int]] = field(default_factory=list)
    _parents: list[tuple[int, ...]] = field(default_factory=list)
    _edges: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    _tables: list[Ints] = field(default_factory=list)
    _edge_names: list[str] = field(default_factory=list)

    def resource(self, name: str, servers: int = 1) -> int:
        """A FIFO queue with `servers` identical servers; returns its id."""
        if servers < 1:
            raise ProgramError(f"resource {name} needs at least one server, not {servers}")
        self._resources.append(servers)
        self._resource_names.append(name)
        return len(self._resources) - 1

    def flow(self, name: str, instances: int) -> int:
        """An operation repeated `instances` times; its lanes and stages follow."""
        if instances < 1:
            raise ProgramError(f"flow {name} needs at least one instance, not {instances}")
        self._flows.append((name, instances))
        self._flow_lanes.append(len(self._lane_stages))
        return len(self._flows) - 1

    def lane(self) -> int:
        """Opens the next lane of the latest flow."""
        self._lane_stages.append(len(self._stages))
        return len(self._lane_stages) - 1

    def stage(
        self,
        resource: int,
        service: int,
        *,
        beats: int = 1,
        slope: int = 0,
        hold: bool = False,
        action: int = -1,
        count: int = 0,
        parents: Sequence[int] = (),
    ) -> int:
        """A stage of the latest lane: service and slope in ticks; returns its id."""
        index = len(self._stages)
        first = self._lane_stages[-1]
        name, instances = self._flows[-1]
        if beats < 1:
            raise ProgramError(f"a stage of flow {name} has {beats} beats; it needs at least one")
        if not 0 <= resource < len(self._resources):
            raise ProgramError(f"a stage of flow {name} uses unknown resource {resource}")
        longest = max(service, service + slope * (instances - 1))
        if min(service, service + slope * (instances - 1)) < 0:
            raise ProgramError(f"a stage of flow {name} has a negative service time")
        if longest > TIME_LIMIT:
            raise OverflowError(f"a service of flow {name} passes {TIME_LIMIT} ticks")
        if any(not first <= p < index for p in parents):
            raise ProgramError(f"a stage of flow {name} has a parent outside its lane")
        self._stages.append((resource, beats, service, slope, int(hold), action, count))
        self._parents.append(tuple(sorted(set(parents))))
        return index

    def depend(
        self,
        child: int,
        parent: int,
        table: Sequence[int] | Ints = (0,),
        *,
        period: int = 1,
        step: int = 1,
        repeat: int = 1,
        name: str = "",
    ) -> int:
        """Instance n of `child` needs g(n) of `parent`; the default is one to one."""
        values = np.asarray(table, np.int64)
        if period < 1 or repeat < 1 or len(values) != -(-period // repeat):
            raise ProgramError(
                f"edge {name}: a period of {period} with repeat {repeat} needs "
                f"{-(-period // max(repeat, 1))} table entries, not {len(values)}"
            )
        if (np.diff(values) < 0).any() or (len(values) and values[-1] > values[0] + step):
            raise ProgramError(f"edge {name}: g(n) must not decrease")
        self._edges.append((child, parent, period, step, repeat))
        self._tables.append(values)
        self._edge_names.append(name)
        return len(self._edges) - 1

    def build(self) -> Program:
        """The finished Program; ProgramError if a flow is empty or an edge asks for too much."""
        stages = _columns(self._stages, 7)
        edges = _columns(self._edges, 5)
        program = Program(
            resource_servers=_ints(self._resources),
            flow_instances=_ints([n for _, n in self._flows]),
            flow_lanes=_ints([*self._flow_lanes, len(self._lane_stages)]),
            lane_stages=_ints([*self._lane_stages, len(self._stages)]),
            stage_resource=stages[0],
            stage_beats=stages[1],
            stage_service=stages[2],
            stage_slope=stages[3],
            stage_hold=stages[4],
            stage_action=stages[5],
            stage_count=stages[6],
            parent_ptr=_pointers([len(p) for p in self._parents]),
            parents=_ints([p for parents in self._parents for p in parents]),
            edge_child=edges[0],
            edge_parent=edges[1],
            edge_period=edges[2],
            edge_step=edges[3],
            edge_repeat=edges[4],
            edge_table_ptr=_pointers([len(t) for t in self._tables]),
            edge_table=np.concatenate([_ints([]), *self._tables]).astype(np.int64),
            resource_names=tuple(self._resource_names),
            flow_names=tuple(name for name, _ in self._flows),
            edge_names=tuple(self._edge_names),
        )
        _check(program)
        return program


def _check(program: Program) -> None:
    if program.flows == 0:
        raise ProgramError("a Program needs at least one flow")
    lanes = np.diff(program.flow_lanes)
    if (lanes < 1).any() or (np.diff(program.lane_stages) < 1).any():
        raise ProgramError("every flow needs a lane and every lane a stage")
    for edge in range(len(program.edge_child)):
        child, parent = int(program.edge_child[edge]), int(program.edge_parent[edge])
        if not (0 <= child < program.flows and 0 <= parent < program.flows):
            raise ProgramError(f"edge {program.edge_names[edge]} joins an unknown flow")
        last = program.needed(edge, _ints([program.flow_instances[child] - 1]))[0]
        if last >= program.flow_instances[parent]:
            raise ProgramError(
                f"edge {program.edge_names[edge]}: flow {program.flow_names[child]} needs "
                f"instance {last} of {program.flow_names[parent]}, which has "
                f"{program.flow_instances[parent]}"
            )


def _ints(values: Sequence[int]) -> Ints:
    return np.asarray(values, dtype=np.int64)


def _pointers(lengths: Sequence[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> list[Ints]:
    table = np.asarray(rows, dtype=np.int64).reshape(-1, width)
    return [np.ascontiguousarray(table[:, i]) for i in range(width)]
