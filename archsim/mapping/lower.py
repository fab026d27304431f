"""Lower a placed trace to a Program: the only place where layers become stages on components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.activation_unit import ActivationUnit
from archsim.components.base import Component, ceil_div
from archsim.components.buffer import Buffer
from archsim.components.bus import Bus
from archsim.components.dram import Dram
from archsim.components.shift_add import ShiftAdd
from archsim.mapping.actions import ActionTable
from archsim.mapping.clock import choose_tick
from archsim.mapping.floor import Lane, TilePart
from archsim.mapping.graph import HOST, Feed, Operation, credit_table, operations
from archsim.mapping.network import Network
from archsim.mapping.plan import Need, Plan, bits_read, consumer_tiles, plan, unit_for
from archsim.mapping.primitives import primitives
from archsim.mapping.tiling import PEShare
from archsim.mapping.writer import Writer
from archsim.program import Program
from archsim.trace import operators as op
from archsim.trace.model import Trace

TILE = "chip.tile"
PE = "chip.tile.pe"


@dataclass(frozen=True)
class FlowInfo:
    """What a flow stands for: its layers, hardware and the MACs of one instance."""

    name: str
    layers: tuple[str, ...]
    kind: str
    positions: int
    lanes: int
    arrays: int
    tiles: int
    macs: int
    unit: str
    array_resources: tuple[int, ...]


@dataclass(frozen=True)
class Mapped:
    """A Program with what its ids mean."""

    program: Program
    tick: float
    actions: ActionTable
    flows: list[FlowInfo]
    resource_part: list[str]
    stage_layer: list[str]
    chips: int
    arrays_total: int
    plan: Plan
    precision: tuple[int, int]  # weight and input bits of the trace


def map_trace(
    arch: Architecture,
    trace: Trace,
    *,
    batch: int = 1,
    chips: int | None = 1,
    replicate: bool = True,
) -> Mapped:
    """Map `batch` inferences of a trace onto a chip (chips=None: as many as needed).

    Raises InputError if the model does not fit or an operator has no unit.
    """
    ops = operations(trace, fuse=arch.chip.tile.find(ActivationUnit) is not None or True)
    placed = plan(arch, trace, ops, chips=chips, replicate=replicate)
    return _Lowering(arch, trace, placed, batch).run()


class _Lowering:
    """State while a plan is turned into stages."""

    def __init__(self, arch: Architecture, trace: Trace, placed: Plan, batch: int):
        self.arch, self.trace, self.plan, self.batch = arch, trace, placed, batch
        self.pe: Roles = roles(arch.chip.tile.pe)
        self.network = Network(arch, placed.chips)
        periods = [p for part, _ in arch.parts().values() for p in part.periods()]
        self.writer = Writer(choose_tick([*periods, 1 / arch.clock]))
        self.buffer_name, self.buffer = self._tile_part(Buffer)
        self.bus_name, self.bus = self._tile_part(Bus)
        self.infos: list[FlowInfo] = []

    def _tile_part(self, kind: type) -> tuple[str, Component]:  # type: ignore[type-arg]
        found = self.arch.chip.tile.find(kind)
        assert found is not None  # checked when the architecture was loaded
        return f"{TILE}.{found[0]}", found[1]

    def run(self) -> Mapped:
        for operation, need in zip(self.plan.operations, self.plan.needs, strict=True):
            self.writer.builder.flow(operation.name, operation.positions * self.batch)
            self.writer.layer = operation.name
            if operation.off_chip:
                self._source(operation, need)
            elif need.pes:
                self._array_operation(operation, need)
            else:
                self._digital_operation(operation, need)
        for operation in self.plan.operations:
            self._edges(operation)
        pe_count = self.arch.chip.tile.count * self.arch.chip.tile.pe.count
        return Mapped(
            program=self.writer.builder.build(),
            tick=self.writer.tick,
            actions=self.writer.actions,
            flows=self.infos,
            resource_part=self.writer.resource_part,
            stage_layer=self.writer.stage_layer,
            chips=self.plan.chips,
            arrays_total=self.plan.chips * pe_count * self.pe.array.count,
            plan=self.plan,
            precision=(self.trace.precision.weight, self.trace.precision.input),
        )

    # --- flows ---------------------------------------------------------------------------

    def _source(self, operation: Operation, need: Need) -> None:
        """Vectors from outside: an input of the model, or rows of a table in DRAM."""
        bits = operation.channels * need.input_bits
        self.writer.builder.lane()
        parents: list[int] = []
        unit = ""
        if isinstance(operation.layer, op.Embedding):
            found = self.arch.chip.find(Dram)
            assert found is not None  # checked by the plan
            unit, dram = found
            row = operation.channels * need.weight_bits
            parents = [self.writer.work(f"chip.{unit}", (), dram.access(row))]
        self._deliver(HOST, bits, operation, parents)
        self._info(operation, "source", [], unit)

    def _array_operation(self, operation: Operation, need: Need) -> None:
        lanes = self.plan.lanes[operation.index]
        arrays: list[int] = []
        for lane in lanes:
            self.writer.builder.lane()
            shares = iter(need.pes)
            ends: list[int] = []
            gathered: list[tuple[TilePart, list[PEShare]]] = [
                (part, [next(shares) for _ in part.pes]) for part in lane.parts
            ]
            for part, pes in gathered:
                ends.append(self._tile_product(operation, need, part, pes, lane, arrays))
            merged = self._merge(need, gathered, lane, ends)
            self._finish(operation, need, lane, merged)
        self._info(operation, "array", arrays, "")

    def _tile_product(
        self,
        operation: Operation,
        need: Need,
        part: TilePart,
        pes: list[PEShare],
        lane: Lane,
        arrays: list[int],
    ) -> int:
        """Fetch a tile's share of the input vector, multiply, and bring the results to the bus."""
        inputs = {a.inputs: a.rows for pe in pes for a in pe.arrays}
        fetched = self._fetch(part.tile, sum(inputs.values()) * need.input_bits)
        registers = [
            self._pe_product(part.tile, number, pe, need, fetched, arrays)
            for number, pe in zip(part.pes, pes, strict=True)
        ]
        bits = sum(self._result_bits(need, pe, pes, lane) for pe in pes)
        sent = self.writer.work(self.bus_name, (part.tile,), self.bus.transfer(bits), registers)  # type: ignore[attr-defined]
        if part.tile == lane.home:
            return sent
        ends = self._send(part.tile, frozenset([lane.home]), bits, [sent])
        return ends[lane.home]

    def _fetch(self, tile: int, bits: int) -> int:
        """Read from the tile's buffer and move over its bus."""
        read = self.writer.work(self.buffer_name, (tile,), self.buffer.access(bits))  # type: ignore[attr-defined]
        return self.writer.work(self.bus_name, (tile,), self.bus.transfer(bits), [read])  # type: ignore[attr-defined]

    def _pe_product(
        self, tile: int, pe: int, share: PEShare, need: Need, fetched: int, arrays: list[int]
    ) -> int:
        """Input register, then for each array bit by bit: read, convert, shift and add."""
        roles_, writer = self.pe, self.writer
        path = {role: f"{PE}.{name}" for role, name in roles_.names.items()}
        loaded = writer.work(
            path["input_register"],
            (tile, pe),
            roles_.input_register.access(share.input_elements * need.input_bits),
            [fetched],
        )
        beats = roles_.input_beats(need.input_bits)
        ports = roles_.shift_add.count * roles_.shift_add.inputs
        sums = []
        for index, array in enumerate(share.arrays):
            cells = array.rows * array.columns
            resource = writer.resource(path["array"], tile, pe, index)
            arrays.append(resource)
            read = writer.stage(
                resource,
                roles_.read_seconds(),
                [
                    (path["array"], "cell_read", cells),
                    (path["dac"], "pulse", array.rows),
                    (path["sample_hold"], "sample", array.columns),
                ],
                beats=beats,
                hold=True,
                parents=[loaded],
            )
            convert = roles_.adc.convert(array.columns)
            converted = writer.stage(
                writer.resource(path["adc"], tile, pe, index % roles_.adc.count),
                convert.period,
                [(path["adc"], "conversion", array.columns)],
                cycles=convert.cycles,
                beats=beats,
                parents=[read],
            )
            add = roles_.shift_add.accumulate(array.columns)
            sums.append(
                writer.stage(
                    writer.resource(path["shift_add"], tile, pe, index % ports),
                    add.period,
                    [(path["shift_add"], "add", array.columns)],
                    cycles=add.cycles,
                    beats=beats,
                    parents=[converted],
                )
            )
        results = sum(share.widths.values()) * need.input_bits
        store = roles_.output_register.access(results)
        return writer.work(path["output_register"], (tile, pe), store, sums)

    def _result_bits(self, need: Need, pe: PEShare, pes: list[PEShare], lane: Lane) -> int:
        """Bits that a PE sends: final results, or partial sums of twice the width."""
        rows = _contributions([need.pes])
        here = _contributions([[pe]])
        return sum(
            width * need.input_bits * (1 if here[group] == rows[group] else 2)
            for group, width in pe.widths.items()
        )

    def _merge(
        self,
        need: Need,
        gathered: list[tuple[TilePart, list[PEShare]]],
        lane: Lane,
        ends: list[int],
    ) -> list[int]:
        """Add the partial sums of different PEs at the home tile."""
        partials: dict[int, int] = {}
        widths: dict[int, int] = {}
        for _, pes in gathered:
            for pe in pes:
                for group, width in pe.widths.items():
                    partials[group] = partials.get(group, 0) + 1
                    widths[group] = width
        adds = sum((count - 1) * widths[group] for group, count in partials.items())
        if adds == 0:
            return ends
        found = self.arch.chip.tile.find(ShiftAdd) or unit_for(self.arch, {"add": 1})
        assert found is not None  # checked by _needs_merge
        name, unit = found
        work = unit.compute({"add": adds})  # type: ignore[attr-defined]
        return [self.writer.work(f"{TILE}.{name}", (lane.home,), work, ends)]

    def _digital_operation(self, operation: Operation, need: Need) -> None:
        layer = operation.layer
        assert layer is not None
        for lane in self.plan.lanes[operation.index]:
            self.writer.builder.lane()
            ends: list[int] = []
            for part in lane.parts:
                parents = [
                    self._fetch(part.tile, bits_read(need, self.trace, feed.which))
                    for feed in operation.feeds
                ]
                if need.unit is not None:
                    name, unit = need.unit
                    share = {k: v / need.shards for k, v in need.work.items()}
                    work = unit.compute(share)  # type: ignore[attr-defined]
                    parents = [self.writer.work(f"{TILE}.{name}", (part.tile,), work, parents)]
                if part.tile != lane.home:
                    bits = ceil_div(operation.channels * need.input_bits, need.shards)
                    sent = self._send(part.tile, frozenset([lane.home]), bits, parents)
                    parents = [sent[lane.home]]
                ends += parents
            self._finish(operation, need, lane, ends)
        self._info(operation, "digital", [], need.unit[0] if need.unit else self.buffer_name)

    def _finish(self, operation: Operation, need: Need, lane: Lane, parents: list[int]) -> None:
        """Fused activations at the home tile, then the way to everyone who needs the result."""
        for fused in operation.fused:
            work = primitives(fused, [operation.shape], operation.shape)
            found = unit_for(self.arch, work)
            assert found is not None  # checked by the plan
            self.writer.layer = fused.name
            unit_work = found[1].compute(work)  # type: ignore[attr-defined]
            parents = [
                self.writer.work(f"{TILE}.{found[0]}", (lane.home,), unit_work, parents)
            ]
        self.writer.layer = operation.name
        self._deliver(lane.home, operation.channels * need.input_bits, operation, parents)

    # --- transfers -----------------------------------------------------------------------

    def _deliver(
        self, source: int, bits: int, operation: Operation, parents: Sequence[int]
    ) -> None:
        """Send a result to the buffers of all its consumers."""
        targets = consumer_tiles(self.plan, operation)
        arrived = self._send(source, targets, bits, parents)
        shards = {
            part.tile: self.plan.needs[consumer].shards
            for consumer in operation.consumers
            if consumer != HOST
            for lane in self.plan.lanes[consumer]
            for part in lane.parts
        }
        for tile in sorted(targets - {HOST}):
            write = self.buffer.access(ceil_div(bits, shards[tile]))  # type: ignore[attr-defined]
            end = arrived[tile]
            self.writer.work(
                self.buffer_name, (tile,), write, parents if end < 0 else [end]
            )
        if targets == {HOST} and arrived[HOST] < 0:  # no link: the host reads the buffer
            write = self.buffer.access(bits)  # type: ignore[attr-defined]
            self.writer.work(self.buffer_name, (source,), write, parents)

    def _send(
        self, source: int, targets: frozenset[int], bits: int, parents: Sequence[int]
    ) -> dict[int, int]:
        """Stages of a message along a multicast tree; the last stage for each target (or -1)."""
        network, writer = self.network, self.writer
        tree = network.tree(source, targets)
        stages: list[int] = []
        for link, before in zip(tree.links, tree.parents, strict=True):
            feeding = parents if before < 0 else [stages[before]]
            if link[0] == "off":
                assert network.link is not None
                path = f"chip.{network.link_name}"
                servers = network.link.links
                work = network.link.transfer(bits)
                beats = 1
            else:
                assert network.router is not None
                path, servers = f"chip.{network.router_name}", 1
                beats, work = network.router.packets(bits)
            stages.append(
                writer.stage(
                    writer.resource(path, *link, servers=servers),
                    work.period,
                    [(path, action, amount) for action, amount in work.actions.items()],
                    cycles=work.cycles,
                    beats=beats,
                    parents=feeding,
                )
            )
        return {t: stages[at] if at >= 0 else -1 for t, at in tree.leaf.items()}

    # --- dependencies --------------------------------------------------------------------

    def _edges(self, operation: Operation) -> None:
        for feed in operation.feeds:
            self._data_edge(operation, feed)
            self._credit_edge(operation, feed)
        if operation.off_chip:
            return
        need = self.plan.needs[operation.index]
        depth = self._vectors_in_flight(need) * need.lanes
        if depth < operation.positions * self.batch:
            self.writer.builder.depend(
                operation.index, operation.index, [-depth], name="input registers"
            )

    def _vectors_in_flight(self, need: Need) -> int:
        """The vector that a lane works on, and those that its input register holds besides."""
        if not need.pes:
            return 2  # a digital unit fetches the next operands while it works
        most = max(pe.input_elements for pe in need.pes) * need.input_bits
        return 1 + max(int(self.pe.input_register.capacity) // most, 1)

    def _data_edge(self, operation: Operation, feed: Feed) -> None:
        last, size_in = feed.reach.last, self.plan.operations[feed.producer].positions
        depend = self.writer.builder.depend
        child, parent, name = operation.index, feed.producer, "data"
        if len(last) == size_in and np.array_equal(last, np.arange(size_in)):
            depend(child, parent, name=name)
            return
        constant = bool((last == last[0]).all())
        depend(
            child,
            parent,
            last[:1] if constant else last,
            period=len(last),
            repeat=len(last) if constant else 1,
            step=size_in,
            name=name,
        )

    def _credit_edge(self, operation: Operation, feed: Feed) -> None:
        size_in = self.plan.operations[feed.producer].positions
        slots = self.plan.slots[operation.index, feed.which]
        if slots >= size_in * self.batch:
            return
        self.writer.builder.depend(
            feed.producer,
            operation.index,
            credit_table(feed.reach, size_in, operation.positions, slots),
            period=size_in,
            step=operation.positions,
            name=f"buffer of {slots}",
        )

    def _info(self, operation: Operation, kind: str, arrays: list[int], unit: str) -> None:
        need = self.plan.needs[operation.index]
        layers = [operation.name, *(f.name for f in operation.fused)]
        macs = sum(a.macs for pe in need.pes for a in pe.arrays)
        if isinstance(operation.layer, op.MatMul):
            macs = int(need.work["mac"])
        lanes = self.plan.lanes.get(operation.index, [])
        self.infos.append(
            FlowInfo(
                name=operation.name,
                layers=tuple(layers),
                kind=kind,
                positions=operation.positions,
                lanes=max(need.lanes, 1),
                arrays=len(arrays),
                tiles=len({part.tile for lane in lanes for part in lane.parts}),
                macs=macs,
                unit=unit,
                array_resources=tuple(arrays),
            )
        )


def _contributions(groups: list[list[PEShare]]) -> dict[int, int]:
    """Arrays that add to each output group."""
    count: dict[int, int] = {}
    for pes in groups:
        for pe in pes:
            for array in pe.arrays:
                count[array.outputs] = count.get(array.outputs, 0) + 1
    return count
