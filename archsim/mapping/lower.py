"""Lower a placed trace to a Program: the only place where layers become stages on components."""

from __future__ import annotations

from collections import Counter

import numpy as np

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.base import ceil_div
from archsim.components.dram import Dram
from archsim.components.register import Register
from archsim.mapping.buffers import credit_table
from archsim.mapping.clock import choose_tick
from archsim.mapping.floor import Lane, TilePart
from archsim.mapping.graph import HOST, Feed, Operation, operations
from archsim.mapping.mapped import Mapped, OperationInfo
from archsim.mapping.needs import Need, unit_for
from archsim.mapping.network import WHOLE, Network
from archsim.mapping.plan import Plan, plan
from archsim.mapping.primitives import Primitives, primitives
from archsim.mapping.steering import targets, variants
from archsim.mapping.tiling import PEShare
from archsim.mapping.transport import TILE, Transport
from archsim.mapping.writer import Writer
from archsim.trace import operators as op
from archsim.trace.model import Trace

PE = f"{TILE}.pe"


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
    ops = operations(trace)
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
        self.transport = Transport(arch, self.network, self.writer)
        self.infos: list[OperationInfo] = []

    def run(self) -> Mapped:
        for operation, need in zip(self.plan.operations, self.plan.needs, strict=True):
            self.writer.layer = operation.name
            if operation.off_chip:
                self._source(operation, need)
            else:
                self._compute(operation, need)
                self._results(operation, need)
        for operation in self.plan.operations:
            self._edges(operation)
        pe_count = self.arch.chip.tile.count * self.arch.chip.tile.pe.count
        return Mapped(
            program=self.writer.builder.build(),
            tick=self.writer.tick,
            actions=self.writer.actions,
            operations=self.infos,
            resource_part=self.writer.resource_part,
            chips=self.plan.chips,
            arrays_total=self.plan.chips * pe_count * self.pe.array.count,
            interval=self.plan.interval,
            precision=(self.trace.precision.weight, self.trace.precision.input),
        )

    # --- flows ---------------------------------------------------------------------------

    def _flow(self, operation: Operation, name: str) -> int:
        return self.writer.builder.flow(name, operation.positions * self.batch)

    def _source(self, operation: Operation, need: Need) -> None:
        """Vectors from outside: an input of the model, or rows of a table in DRAM."""
        flow = self._flow(operation, operation.name)
        table = self.arch.chip.find(Dram) if isinstance(operation.layer, op.Embedding) else None
        path = f"chip.{table[0]}" if table else f"chip.{self.network.link_name}"
        count = variants(self.plan, operation)
        for variant in range(count):
            self.writer.builder.lane()
            parents: list[int] = []
            if table is not None:
                access = table[1].access(operation.channels * need.weight_bits)
                parents = [self.writer.work(path, (), access)]
            whom = targets(self.plan, operation, variant, count, WHOLE)
            self.transport.deliver(HOST, need.result_bits, whom, parents)
        self._info(operation, path, (flow, flow), [])

    def _compute(self, operation: Operation, need: Need) -> None:
        """The first of an operation's two flows: fetch, compute, results in registers."""
        flow = self._flow(operation, operation.name)
        arrays: list[int] = []
        for lane in self.plan.lanes[operation.index]:
            self.writer.builder.lane()
            for part, pes in _parts(lane, need):
                if need.weights is not None:
                    self._tile_product(need, part, pes, arrays)
                else:
                    self._tile_function(need, part)
        part_path = self.transport.buffer_path
        if need.weights is not None:
            part_path = f"{PE}.{self.pe.names['array']}"
        elif need.unit is not None:
            part_path = f"{TILE}.{need.unit[0]}"
        self._info(operation, part_path, (flow, flow + 1), arrays)

    def _results(self, operation: Operation, need: Need) -> None:
        """The second flow: merge at the home tile, activate, and send to those who need it.

        It has a lane for every way that results can leave; lane v belongs to the computing lane
        v mod (computing lanes).
        """
        self._flow(operation, f"{operation.name} results")
        lanes = self.plan.lanes[operation.index]
        count = variants(self.plan, operation)
        sums = Counter(array.outputs for pe in need.pes for array in pe.arrays)
        for variant in range(count):
            self.writer.builder.lane()
            lane = lanes[variant % len(lanes)]
            if need.weights is not None:
                gathered = _parts(lane, need)
                ends = [self._gather(need, sums, *part, lane) for part in gathered]
                ends = self._merge(gathered, lane, ends)
                leaving = [(TilePart(lane.home), ends)]
            else:
                leaving = [(part, []) for part in lane.parts]
            for part, ends in leaving:
                ends = self._leave(operation, need, part, ends)
                whom = targets(self.plan, operation, variant, count, part.slice.span)
                self.transport.deliver(part.tile, need.result_bits, whom, ends)

    def _leave(
        self, operation: Operation, need: Need, part: TilePart, ends: list[int]
    ) -> list[int]:
        """Fused activations on a tile's share of a result, then its output register."""
        for fused in operation.fused:
            work = primitives(fused, [operation.shape], operation.shape)
            self.writer.layer = fused.name
            share = {k: v / part.slice.parts for k, v in work.items()}
            ends = [self._on_unit(part.tile, share, ends)]
        self.writer.layer = operation.name
        bits = ceil_div(need.result_bits, part.slice.parts)
        if need.weights is None:
            ends = [self.transport.to_bus(part.tile, bits, ends)]
        found_register = self.arch.chip.tile.find(Register, side="output")
        if found_register is not None:
            path = f"{TILE}.{found_register[0]}"
            access = found_register[1].access(bits)
            ends = [self.writer.work(path, (part.tile,), access, ends)]
        return ends

    def _tile_product(
        self, need: Need, part: TilePart, pes: list[PEShare], arrays: list[int]
    ) -> None:
        """Fetch a tile's share of the input vector and multiply it in the tile's PEs."""
        inputs = {a.inputs: a.rows for pe in pes for a in pe.arrays}
        fetched = self.transport.fetch(part.tile, sum(inputs.values()) * need.input_bits)
        for number, pe in zip(part.pes, pes, strict=True):
            self._pe_product(part.tile, number, pe, need, fetched, arrays)

    def _tile_function(self, need: Need, part: TilePart) -> None:
        """Fetch the operands of a digital operation and run it on the tile's unit."""
        parents = [
            self.transport.fetch(part.tile, ceil_div(bits, need.shards))
            for bits in need.reads.values()
        ]
        if need.work:
            self._on_unit(part.tile, {k: v / need.shards for k, v in need.work.items()}, parents)

    def _pe_product(
        self, tile: int, pe: int, share: PEShare, need: Need, fetched: int, arrays: list[int]
    ) -> None:
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
            resource = writer.resource(path["array"], tile, pe, index)
            arrays.append(resource)
            read = writer.stage(
                resource,
                roles_.read_seconds(),
                [
                    (path["array"], "cell_read", array.rows * array.columns),
                    (path["dac"], "pulse", array.rows),
                    (path["sample_hold"], "sample", array.columns),
                ],
                beats=beats,
                hold=True,
                parents=[loaded],
            )
            converter = tile, pe, index % roles_.adc.count
            convert = roles_.adc.convert(array.columns)
            converted = writer.repeat(path["adc"], converter, convert, beats, [read])
            port = tile, pe, index % ports
            accumulate = roles_.shift_add.accumulate(array.columns)
            sums.append(writer.repeat(path["shift_add"], port, accumulate, beats, [converted]))
        store = roles_.output_register.access(sum(share.widths.values()) * need.input_bits)
        writer.work(path["output_register"], (tile, pe), store, sums)

    def _on_unit(self, tile: int, work: Primitives, parents: list[int]) -> int:
        """Primitives on the tile's first digital unit that runs them all."""
        found = unit_for(self.arch, work)
        assert found is not None  # checked by the plan
        name, unit = found
        return self.writer.work(f"{TILE}.{name}", (tile,), unit.compute(work), parents)

    def _gather(
        self, need: Need, sums: Counter[int], part: TilePart, pes: list[PEShare], lane: Lane
    ) -> int:
        """Move a tile's results out of its PEs' registers and to the home tile.

        sums: arrays that add to each output. What a PE has not added up alone is a partial sum
        of twice the width.
        """
        bits = 0
        for pe in pes:
            here = Counter(array.outputs for array in pe.arrays)
            for group, width in pe.widths.items():
                bits += width * need.input_bits * (1 if here[group] == sums[group] else 2)
        sent = self.transport.to_bus(part.tile, bits)
        if part.tile == lane.home:
            return sent
        arrived = self.transport.send(part.tile, frozenset([(lane.home, WHOLE)]), bits, [sent])
        return arrived[lane.home][0]

    def _merge(
        self, gathered: list[tuple[TilePart, list[PEShare]]], lane: Lane, ends: list[int]
    ) -> list[int]:
        """Add the partial sums of different PEs at the home tile."""
        widths = [pe.widths for _, pes in gathered for pe in pes]
        partials = Counter(group for pe in widths for group in pe)
        width_of = {group: width for pe in widths for group, width in pe.items()}
        adds = sum((count - 1) * width_of[group] for group, count in partials.items())
        if adds == 0:
            return ends
        return [self._on_unit(lane.home, {"add": adds}, ends)]

    # --- dependencies --------------------------------------------------------------------

    def _edges(self, operation: Operation) -> None:
        for feed in operation.feeds:
            self._data_edge(operation, feed)
            self._credit_edge(operation, feed)
        if operation.off_chip:
            return
        need = self.plan.needs[operation.index]
        compute, results = self.infos[operation.index].flows
        held, stored = self._vectors_held(operation, need)
        depend = self.writer.builder.depend
        depend(results, compute, name="results")
        for parent, vectors, name in (
            (compute, held, "input registers"),
            (results, held + stored, "output registers"),
        ):
            if vectors * need.lanes < operation.positions * self.batch:
                depend(compute, parent, [-vectors * need.lanes], name=name)

    def _vectors_held(self, operation: Operation, need: Need) -> tuple[int, int]:
        """Vectors that a lane has in hand, and results that wait behind it.

        In hand: the one that the arrays work on and those that fit the input register besides (a
        digital unit fetches the next operands while it works). Behind: one in the output register
        of the PE and those that fit the tile's.
        """
        held = 2
        if need.weights is not None:
            most = max(pe.input_elements for pe in need.pes) * need.input_bits
            held = 1 + max(int(self.pe.input_register.capacity) // most, 1)
        found = self.arch.chip.tile.find(Register, side="output")
        room = int(found[1].capacity) if found else 0
        return held, 1 + room // need.result_bits

    def _data_edge(self, operation: Operation, feed: Feed) -> None:
        last, size_in = feed.reach.last, self.plan.operations[feed.producer].positions
        depend = self.writer.builder.depend
        child = self.infos[operation.index].flows[0]
        parent, name = self.infos[feed.producer].flows[1], "data"
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
            self.infos[feed.producer].flows[0],
            self.infos[operation.index].flows[0],
            credit_table(feed.reach, size_in, operation.positions, slots),
            period=size_in,
            step=operation.positions,
            name=f"buffer of {slots}",
        )

    def _info(
        self,
        operation: Operation,
        part: str,
        flows: tuple[int, int],
        arrays: list[int],
    ) -> None:
        need = self.plan.needs[operation.index]
        macs = sum(a.macs for pe in need.pes for a in pe.arrays)
        if isinstance(operation.layer, op.MatMul):
            macs = int(need.work["mac"])
        lanes = self.plan.lanes.get(operation.index, [])
        self.infos.append(
            OperationInfo(
                layers=(operation.name, *(f.name for f in operation.fused)),
                part=part,
                flows=flows,
                positions=operation.positions,
                lanes=need.lanes,
                tiles=len({part.tile for lane in lanes for part in lane.parts}),
                macs=macs,
                arrays=tuple(arrays),
            )
        )


def _parts(lane: Lane, need: Need) -> list[tuple[TilePart, list[PEShare]]]:
    """The tiles of a lane, each with the PE contents that stand there."""
    shares = iter(need.pes)
    return [(part, [next(shares) for _ in part.pes]) for part in lane.parts]
