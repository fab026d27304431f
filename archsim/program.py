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
    services of `service + slope * growth(n)` ticks on one server of its resource, where growth(n) =
    (n mod round) // every, or entry number that of the flow's growth table if it has one. Parents
    of a stage are stages of the same lane with lower index.

    An edge lets instance n of `edge_child` start once instances 0..g(n) of `edge_parent` have
    finished, with g(n) = (n // period) * step + table[(n % period) // repeat]; g(n) < 0 asks for
    nothing. A credit (finite buffer) is an edge from the consumer back to the producer.
    """

    resource_servers: Ints  # (R,)
    flow_instances: Ints  # (F,)
    flow_round: Ints  # (F,) instances after which growth starts again, at least 1
    flow_every: Ints  # (F,) instances that grow together, at least 1
    flow_growth_ptr: Ints  # (F + 1,) first entry of each flow's growth table; most have none
    growth_table: Ints
    flow_lanes: Ints  # (F + 1,) first lane of each flow
    lane_stages: Ints  # (L + 1,) first stage of each lane
    stage_resource: Ints  # (S,)
    stage_beats: Ints  # (S,)
    stage_service: Ints  # (S,) ticks
    stage_slope: Ints  # (S,) ticks per step of growth
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
    resource_names: Sequence[str] = ()
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

    def growth(self, flow: int, instances: Ints) -> Ints:
        """What a slope is multiplied by, for an array of instances n."""
        steps: Ints = (instances % self.flow_round[flow]) // self.flow_every[flow]
        first, last = self.flow_growth_ptr[flow : flow + 2]
        return steps if first == last else self.growth_table[first:last][steps]

    def service_range(self) -> tuple[Ints, Ints]:
        """(S,) each: the shortest and the longest service of each stage, in ticks."""
        least = np.zeros(self.flows, np.int64)
        most = (np.minimum(self.flow_round, self.flow_instances) - 1) // self.flow_every
        for flow in np.flatnonzero(np.diff(self.flow_growth_ptr)).tolist():
            table = self.growth_table[slice(*self.flow_growth_ptr[flow : flow + 2])]
            used = table[: int(most[flow]) + 1]
            least[flow], most[flow] = used.min(), used.max()
        flow_of = self.stage_flow()
        ends = [self.stage_service + self.stage_slope * g[flow_of] for g in (least, most)]
        return np.minimum(*ends), np.maximum(*ends)

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
        """(S,) sum of all service times of each stage; OverflowError past the time limit."""
        runs = self.stage_runs()
        _, longest = self.service_range()
        if (longest.astype(float) * self.stage_beats * runs).sum() > TIME_LIMIT:
            raise OverflowError(f"the busy time passes {TIME_LIMIT} ticks; use a longer tick")
        growth = np.repeat(self._lane_growth(), np.diff(self.lane_stages))
        busy: Ints = self.stage_beats * (runs * self.stage_service + self.stage_slope * growth)
        return busy

    def _lane_growth(self) -> Ints:
        """(L,) growth summed over the instances of each lane; 0 in flows without a slope."""
        total = np.zeros(len(self.lane_stages) - 1, np.int64)
        for flow in np.unique(self.stage_flow()[self.stage_slope != 0]).tolist():
            first, last = self.flow_lanes[flow : flow + 2].tolist()
            growth = self.growth(flow, np.arange(self.flow_instances[flow]))
            total[first:last] = [growth[i :: last - first].sum() for i in range(last - first)]
        return total

    def busy_ticks(self) -> Ints:
        """(R,) sum of all service times on each resource, over all its servers."""
        busy = np.zeros(self.resources, np.int64)
        np.add.at(busy, self.stage_resource, self.stage_busy())
        return busy

    def asked(self, edge: int, instances: Ints) -> Ints:
        """g(n) of an edge for an array of instances n."""
        period, step = int(self.edge_period[edge]), int(self.edge_step[edge])
        table = self.edge_table[self.edge_table_ptr[edge] : self.edge_table_ptr[edge + 1]]
        need: Ints = (instances // period) * step + table[
            (instances % period) // int(self.edge_repeat[edge])
        ]
        return need

    def needed(self, edge: int, instances: Ints) -> Ints:
        """g(n) of an edge for an array of instances n, clipped to -1 from below."""
        need: Ints = np.maximum(self.asked(edge, instances), -1)
        return need


@dataclass(frozen=True)
class Block:
    """Stages that can be written again on other resources, all of them numbered from zero.

    resources: servers of each resource; columns: (7, k) the stages' fields; lengths: (k,) parents
    of each; parents: -1 stands for the one stage outside the block that its stages wait for.
    """

    resources: list[int]
    columns: Ints
    lengths: Ints
    parents: Ints


@dataclass
class ProgramBuilder:
    """Collects resources, flows, lanes, stages and edges, in that order, and checks them.

    names: of the resources, where they are not given one by one.
    """

    names: Sequence[str] | None = None
    _resources: list[int] = field(default_factory=list)
    _resource_names: list[str] = field(default_factory=list)
    _flows: list[tuple[str, int, int, int]] = field(default_factory=list)
    _growths: list[Ints] = field(default_factory=list)
    _flow_lanes: list[int] = field(default_factory=list)
    _lane_stages: list[int] = field(default_factory=list)
    _written: int = 0  # stages in `_chunks`
    _chunks: list[tuple[Ints, Ints, Ints]] = field(default_factory=list)
    _stages: list[tuple[int, int, int, int, int, int, int]] = field(default_factory=list)
    _parents: list[tuple[int, ...]] = field(default_factory=list)
    _edges: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    _tables: list[Ints] = field(default_factory=list)
    _edge_names: list[str] = field(default_factory=list)

    def resource(self, name: str = "", servers: int = 1) -> int:
        """A FIFO queue with `servers` identical servers; returns its id."""
        if servers < 1:
            raise ProgramError(f"resource {name} needs at least one server, not {servers}")
        self._resources.append(servers)
        if self.names is None:
            self._resource_names.append(name)
        return len(self._resources) - 1

    def flow(
        self,
        name: str,
        instances: int,
        *,
        round: int = 0,
        every: int = 1,
        growth: Sequence[int] | Ints = (),
    ) -> int:
        """An operation repeated `instances` times; its lanes and stages follow.

        A slope of a stage is multiplied by (n mod round) // every: work that grows with the
        position in a sequence of `round` instances, or of `round / every` positions that `every`
        sequences share. A round of 0 is one that never ends. growth: what the slope is multiplied
        by instead, an entry of at least 0 for each value of (n mod round) // every.
        """
        if instances < 1:
            raise ProgramError(f"flow {name} needs at least one instance, not {instances}")
        if round < 0 or every < 1:
            raise ProgramError(
                f"flow {name} has a round of {round} and every {every}; "
                "they must be at least 0 and 1"
            )
        table = np.asarray(growth, np.int64)
        steps = -(-min(round or instances, instances) // every)
        if len(table) and (len(table) < steps or table.min() < 0):
            raise ProgramError(
                f"flow {name} has a growth table of {len(table)} entries; it needs {steps}, "
                "none of them negative"
            )
        self._flows.append((name, instances, round or instances, every))
        self._growths.append(table)
        self._flow_lanes.append(len(self._lane_stages))
        return len(self._flows) - 1

    def instances(self, flow: int) -> int:
        """Instances of a flow that has been opened."""
        return self._flows[flow][1]

    def lane(self) -> int:
        """Opens the next lane of the latest flow."""
        self._lane_stages.append(self.stages)
        return len(self._lane_stages) - 1

    @property
    def stages(self) -> int:
        """Stages so far."""
        return self._written + len(self._stages)

    @property
    def resources(self) -> int:
        """Resources so far."""
        return len(self._resources)

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
        """A stage of the latest lane: service and slope in ticks; returns its id.

        Instance n takes service + slope * growth(n), see `flow`.
        """
        index = self.stages
        first = self._lane_stages[-1]
        name, instances, span, every = self._flows[-1]
        if beats < 1:
            raise ProgramError(f"a stage of flow {name} has {beats} beats; it needs at least one")
        if not 0 <= resource < len(self._resources):
            raise ProgramError(f"a stage of flow {name} uses unknown resource {resource}")
        table = self._growths[-1]
        least, most = 0, (min(span, instances) - 1) // every
        if slope and len(table):
            used = table[: most + 1]
            least, most = int(used.min()), int(used.max())
        ends = service + slope * least, service + slope * most
        if min(ends) < 0:
            raise ProgramError(f"a stage of flow {name} has a negative service time")
        if max(ends) > TIME_LIMIT:
            raise OverflowError(f"a service of flow {name} passes {TIME_LIMIT} ticks")
        own = tuple(parents) if len(parents) < 2 else tuple(sorted(set(parents)))
        if own and not (first <= own[0] and own[-1] < index):
            raise ProgramError(f"a stage of flow {name} has a parent outside its lane")
        self._stages.append((resource, beats, service, slope, int(hold), action, count))
        self._parents.append(own)
        return index

    def block(self, first_stage: int, first_resource: int) -> Block:
        """The latest stages, from `first_stage` on, as a block to write again.

        They use no resource before `first_resource` and wait for one stage before them at most.
        """
        if first_stage < self._written:
            raise ProgramError("a block begins in stages that are written already")
        rows = self._stages[first_stage - self._written :]
        parents = self._parents[first_stage - self._written :]
        columns = np.array(rows, np.int64).T.copy()
        columns[0] -= first_resource
        flat = _ints([p for own in parents for p in own])
        outside = flat < first_stage
        if columns[0].min() < 0 or len(np.unique(flat[outside])) > 1:
            raise ProgramError("a block shares resources or waits for several stages outside")
        return Block(
            resources=self._resources[first_resource:],
            columns=columns,
            lengths=_ints([len(own) for own in parents]),
            parents=np.where(outside, -1, flat - first_stage),
        )

    def again(self, block: Block, outside: int) -> tuple[int, int]:
        """Write a block once more behind the stage `outside` of the same lane.

        Returns the ids of its first stage and of its first resource.
        """
        self._flush()
        stage, resource = self._written, len(self._resources)
        self._resources += block.resources
        columns = block.columns.copy()
        columns[0] += resource
        parents = np.where(block.parents < 0, outside, block.parents + stage)
        self._chunks.append((columns, block.lengths, parents))
        self._written += len(block.lengths)
        return stage, resource

    def _flush(self) -> None:
        if self._stages:
            lengths = _ints([len(own) for own in self._parents])
            flat = _ints([p for own in self._parents for p in own])
            self._chunks.append((np.array(self._stages, np.int64).T, lengths, flat))
            self._written += len(self._stages)
            self._stages, self._parents = [], []

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
        if len(values) > 1 and ((np.diff(values) < 0).any() or values[-1] > values[0] + step):
            raise ProgramError(f"edge {name}: g(n) must not decrease")
        self._edges.append((child, parent, period, step, repeat))
        self._tables.append(values)
        self._edge_names.append(name)
        return len(self._edges) - 1

    def build(self) -> Program:
        """The finished Program; ProgramError if a flow is empty or an edge asks for too much."""
        self._flush()
        if not self._chunks:
            raise ProgramError("a Program needs at least one flow")
        stages = np.concatenate([columns for columns, _, _ in self._chunks], axis=1)
        lengths = np.concatenate([lengths for _, lengths, _ in self._chunks])
        edges = _columns(self._edges, 5)
        program = Program(
            resource_servers=_ints(self._resources),
            flow_instances=_ints([flow[1] for flow in self._flows]),
            flow_round=_ints([flow[2] for flow in self._flows]),
            flow_every=_ints([flow[3] for flow in self._flows]),
            flow_growth_ptr=_pointers([len(t) for t in self._growths]),
            growth_table=np.concatenate([_ints([]), *self._growths]).astype(np.int64),
            flow_lanes=_ints([*self._flow_lanes, len(self._lane_stages)]),
            lane_stages=_ints([*self._lane_stages, self._written]),
            stage_resource=stages[0],
            stage_beats=stages[1],
            stage_service=stages[2],
            stage_slope=stages[3],
            stage_hold=stages[4],
            stage_action=stages[5],
            stage_count=stages[6],
            parent_ptr=_pointers(lengths),
            parents=np.concatenate([parents for _, _, parents in self._chunks]),
            edge_child=edges[0],
            edge_parent=edges[1],
            edge_period=edges[2],
            edge_step=edges[3],
            edge_repeat=edges[4],
            edge_table_ptr=_pointers([len(t) for t in self._tables]),
            edge_table=np.concatenate([_ints([]), *self._tables]).astype(np.int64),
            resource_names=tuple(self._resource_names) if self.names is None else self.names,
            flow_names=tuple(flow[0] for flow in self._flows),
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
    child, parent, names = program.edge_child, program.edge_parent, program.edge_names
    unknown = (np.minimum(child, parent) < 0) | (np.maximum(child, parent) >= program.flows)
    for edge in np.flatnonzero(unknown)[:1]:
        raise ProgramError(f"edge {names[edge]} joins an unknown flow")
    last = program.flow_instances[child] - 1
    entry = program.edge_table_ptr[:-1] + last % program.edge_period // program.edge_repeat
    need = last // program.edge_period * program.edge_step + program.edge_table[entry]
    for edge in np.flatnonzero(need >= program.flow_instances[parent])[:1]:
        whom, who = parent[edge], child[edge]
        raise ProgramError(
            f"edge {names[edge]}: flow {program.flow_names[who]} needs instance {need[edge]} of "
            f"{program.flow_names[whom]}, which has {program.flow_instances[whom]}"
        )


def _ints(values: Sequence[int]) -> Ints:
    return np.asarray(values, dtype=np.int64)


def _pointers(lengths: Sequence[int] | Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> list[Ints]:
    table = np.asarray(rows, dtype=np.int64).reshape(-1, width)
    return [np.ascontiguousarray(table[:, i]) for i in range(width)]
