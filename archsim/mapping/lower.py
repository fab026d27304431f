"""Lower a placed trace to a Program: the only place where layers become stages on components."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.arch.model import Architecture
from archsim.arch.pe import Roles, roles
from archsim.components.base import ceil_div
from archsim.components.dram import Dram
from archsim.components.register import Register
from archsim.mapping.clock import choose_tick
from archsim.mapping.dependencies import Dependencies
from archsim.mapping.floor import TilePart
from archsim.mapping.graph import HOST, Operation, operations
from archsim.mapping.growth import finest
from archsim.mapping.loading import Loading
from archsim.mapping.mapped import Mapped, OperationInfo, Turns
from archsim.mapping.needs import Need
from archsim.mapping.network import Network
from archsim.mapping.options import MapOptions, chosen
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.mapping.plan import Plan, plan
from archsim.mapping.primitives import Primitives, primitives
from archsim.mapping.products import PE, pe_product
from archsim.mapping.programming import Programming
from archsim.mapping.spans import WHOLE
from archsim.mapping.steering import targets, variants
from archsim.mapping.sums import additions, result_bits, widths_of
from archsim.mapping.tiling import PEShare
from archsim.mapping.transport import TILE, Transport
from archsim.mapping.turns import PlannedTurns, plan_turns, take_turns
from archsim.mapping.writer import PEBlock, Writer
from archsim.mapping.written import Rewrite, Written
from archsim.trace.model import Trace


def map_trace(
    arch: Architecture,
    trace: Trace,
    options: MapOptions | None = None,
    *,
    batch: int = 1,
    placement: Placement = AS_USUAL,
    rewrites: Sequence[Rewrite] = (),
    seed: int = 0,
    **by_name: Any,
) -> Mapped:
    """Map `batch` inferences of a trace onto a chip.

    options: their fields may also be given by name: `map_trace(arch, trace, chips=2)`; placement:
    what an adaptation method puts elsewhere; rewrites: what a task switch writes
    meanwhile (batch 0: alone), with pulses drawn from `seed`. Raises InputError if the model does
    not fit or an operator has no unit.
    """
    with _without_collections():
        ops = operations(trace, placement.groups)
        asked = chosen(MapOptions, options, by_name)
        if placement == AS_USUAL and not rewrites and take_turns(arch, trace, ops, asked):
            return _lower_turns(arch, plan_turns(arch, trace, asked, batch), batch, seed)
        placed = plan(arch, trace, ops, asked, placement)
        return _Lowering(arch, trace, placed, batch).run(rewrites, seed)


@contextmanager
def _without_collections() -> Iterator[None]:
    """What a mapping makes lives to its end: the garbage collector would only walk over it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass
class _Heap:
    """Sums of PEs on one tile, behind the stages `ends`; closed: it has taken a neighbour's."""

    tile: int
    pes: list[PEShare]
    ends: list[int]
    closed: bool = False

    def shares(self, other: _Heap) -> bool:
        """True if both have sums of the same outputs."""
        return bool(widths_of(self.pes).keys() & widths_of(other.pes).keys())


def _lower_turns(arch: Architecture, turns: PlannedTurns, batch: int, seed: int) -> Mapped:
    """All passes and what loads them, in one Program."""
    first: _Lowering | None = None
    loading: Loading | None = None
    passes: list[list[OperationInfo]] = []
    for planned in turns.passes:
        lowering = _Lowering(arch, turns.trace, planned.plan, batch, first)
        if first is None or loading is None:
            first, random = lowering, np.random.default_rng(seed)
            loading = Loading(arch, lowering.writer, lowering.transport, random)
        lowering.inference(planned.local)
        loading.load(planned.plan, lowering.infos)
        passes.append(lowering.infos)
        if len(passes) > turns.banks:
            sources = [i.flows[0] for i in lowering.infos if i.flows[0] == i.flows[1]]
            loading.wait([*loading.flows[-1], *sources], passes[-1 - turns.banks])
    assert first is not None and loading is not None  # a trace has a layer at least
    first.infos = [info for infos in passes for info in infos]
    taken = Turns(turns.banks, loading.flows, passes, loading.bits, loading.wear)
    return first.mapped(Written(), taken)


class _Lowering:
    """State while a plan is turned into stages; `before` is that of an earlier pass."""

    def __init__(
        self,
        arch: Architecture,
        trace: Trace,
        placed: Plan,
        batch: int,
        before: _Lowering | None = None,
    ):
        self.arch, self.trace, self.plan, self.batch = arch, trace, placed, batch
        self.pe: Roles = roles(arch.chip.tile.pe)
        if before is None:
            self.network = Network(arch, placed.chips)
            periods = [p for part, _ in arch.parts().values() for p in part.periods()]
            tick = choose_tick([*periods, 1 / arch.clock]) / finest(trace)
            self.writer = Writer(tick)
            self.transport = Transport(arch, self.network, self.writer)
            self.producers: dict[int, OperationInfo] = {}
        else:
            self.network, self.writer = before.network, before.writer
            self.transport, self.producers = before.transport, before.producers
        self.infos: list[OperationInfo] = []
        self.stores: dict[
            int, int
        ] = {}  # by operation that reads a tensor, the flow that writes it
        self.blocks: dict[tuple[str, object], PEBlock] = {}  # by layer and shape of the PE's share

    def run(self, rewrites: Sequence[Rewrite], seed: int) -> Mapped:
        if self.batch:
            self.inference(range(len(self.plan.operations)))
        random = np.random.default_rng(seed)
        programming = Programming(self.arch, self.plan, self.writer, self.transport, random)
        return self.mapped(programming.write(rewrites))

    def mapped(self, written: Written, turns: Turns | None = None) -> Mapped:
        """The Program, complete, and what its ids mean."""
        pe_count = self.arch.chip.tile.count * self.arch.chip.tile.pe.count
        return Mapped(
            program=self.writer.builder.build(),
            tick=self.writer.tick,
            actions=self.writer.actions,
            operations=self.infos,
            resource_places=self.writer.places,
            chips=self.plan.chips,
            arrays_total=self.plan.chips * pe_count * self.pe.array.count,
            interval=self.plan.interval,
            choice=self.plan.choice(),
            precision=(self.trace.precision.weight, self.trace.precision.input),
            written=written,
            turns=turns,
        )

    def inference(self, numbers: Sequence[int]) -> None:
        """Flows and edges of all operations; numbers: theirs in the whole trace's list."""
        for operation, need in zip(self.plan.operations, self.plan.needs, strict=True):
            self.writer.layer = operation.name
            if operation.off_chip:
                self._source(operation, need)
            else:
                self._compute(operation, need)
                self._results(operation, need)
        self.producers |= dict(zip(numbers, self.infos, strict=True))
        Dependencies(
            self.arch,
            self.trace,
            self.plan,
            self.infos,
            self.stores,
            self.writer.builder,
            self.batch,
            self.producers,
        ).write()

    # --- flows ---------------------------------------------------------------------------

    def _flow(self, operation: Operation, name: str) -> int:
        need = self.plan.needs[operation.index]
        grown = need.growth or next(iter(need.read_growth.values()), None)
        self.writer.table = grown.table if grown else ()
        return self.writer.builder.flow(
            name,
            operation.positions * self.batch,
            round=operation.positions,
            every=grown.sequences if grown else 1,
            growth=self.writer.table,
        )

    def _source(self, operation: Operation, need: Need) -> None:
        """Vectors from outside: an input of the model, rows of a table or a tensor in DRAM."""
        table = self.arch.chip.find(Dram) if operation.layer is not None else None
        written = None
        if table is not None and operation.stored is not None:
            written = self._flow(operation, f"{operation.name} write")
            self.writer.builder.lane()
            access = table[1].access(operation.channels * need.input_bits)
            self.writer.work(f"chip.{table[0]}", (), access)
        flow = self._flow(operation, operation.name)
        path = f"chip.{table[0]}" if table else f"chip.{self.network.link_name}"
        count = variants(self.plan, operation)
        for variant in range(count):
            self.writer.builder.lane()
            parents: list[int] = []
            if table is not None:
                bits = need.weight_bits if written is None else need.input_bits
                access = table[1].access(operation.channels * bits)
                parents = [self.writer.work(path, (), access)]
            whom = targets(self.plan, operation, variant, count, WHOLE)
            if not whom and not parents:  # positions between the windows of all who read them
                self.writer.idle(path, variant)
            self.transport.deliver(HOST, need.result_bits, whom, parents)
        self._info(operation, path, (flow, flow), [])
        if written is not None:
            self.stores[operation.index] = written

    def _compute(self, operation: Operation, need: Need) -> None:
        """The first of an operation's two flows: fetch, compute, results in registers."""
        flow = self._flow(operation, operation.name)
        arrays: list[int] = []
        shares = self.plan.parts(operation.index)
        for lane in shares:
            self.writer.builder.lane()
            for part, pes in lane:
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
        shares = self.plan.parts(operation.index)
        count = variants(self.plan, operation)
        sums = Counter(array.outputs for pe in need.pes for array in pe.arrays)
        for variant in range(count):
            self.writer.builder.lane()
            lane = lanes[variant % len(lanes)]
            if need.weights is not None:
                gathered = shares[variant % len(lanes)]
                ends = [self._gather(need, sums, *part) for part in gathered]
                ends = self._merge(need, sums, gathered, ends)
                leaving = [(TilePart(lane.home), ends)]
            else:
                leaving = [(part, []) for part in lane.parts]
            for part, ends in leaving:
                ends = self._leave(operation, need, part, ends)
                whom = targets(self.plan, operation, variant, count, part.slice.span)
                with self.writer.growing(need.result_growth):
                    self.transport.deliver(part.tile, need.result_bits, whom, ends)

    def _leave(
        self, operation: Operation, need: Need, part: TilePart, ends: list[int]
    ) -> list[int]:
        """Gates and fused activations on a tile's share of a result, then its output register."""
        if operation.recurrent:
            ends = [self._on_unit(operation, "gates", part.tile, need.work, ends)]
        for fused in operation.fused:
            work = primitives(fused, [operation.shape], operation.shape)
            self.writer.layer = fused.name
            share = {k: v / part.slice.parts for k, v in work.items()}
            with self.writer.growing(need.result_growth):
                ends = [self._on_unit(operation, fused.name, part.tile, share, ends)]
        self.writer.layer = operation.name
        bits = ceil_div(need.result_bits, part.slice.parts)
        with self.writer.growing(need.result_growth):
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
            alike = self.writer.layer, pe.shape
            used_before = self.writer.known(f"{PE}.{self.pe.names['array']}", part.tile, number, 0)
            if alike in self.blocks and not used_before:
                arrays += self.writer.again(self.blocks[alike], part.tile, number, fetched)
                continue
            before = self.writer.builder.stages, self.writer.builder.resources
            place = part.tile, number
            used = pe_product(self.pe, self.writer, place, pe, need, fetched)
            arrays += used
            if not used_before:
                self.blocks[alike] = self.writer.remember(*before, used)

    def _tile_function(self, need: Need, part: TilePart) -> None:
        """Fetch the operands of a digital operation and run it on the tile's unit."""
        parents = []
        for which, bits in need.reads.items():
            with self.writer.growing(need.read_growth.get(which)):
                parents.append(self.transport.fetch(part.tile, ceil_div(bits, need.shards)))
        if need.work:
            share = {k: v / need.shards for k, v in need.work.items()}
            assert need.unit is not None  # checked by the plan
            name, unit = need.unit
            with self.writer.growing(need.growth):
                self.writer.work(f"{TILE}.{name}", (part.tile,), unit.compute(share), parents)

    def _on_unit(
        self, operation: Operation, role: str, tile: int, work: Primitives, parents: list[int]
    ) -> int:
        """Primitives on the tile's digital unit that the plan chose for this role."""
        name, unit = self.plan.units[operation.index, role]
        return self.writer.work(f"{TILE}.{name}", (tile,), unit.compute(work), parents)

    def _gather(self, need: Need, sums: Counter[int], part: TilePart, pes: list[PEShare]) -> int:
        """Move a tile's results out of its PEs' registers and add them up.

        sums: arrays that add to each output.
        """
        bits = sum(result_bits([pe], sums, need.input_bits) for pe in pes)
        ends = [self.transport.to_bus(part.tile, bits)]
        adds = additions([pe.widths for pe in pes])
        if adds:
            ends = [self._on_unit(need.operation, "sums", part.tile, {"add": adds}, ends)]
        return ends[0]

    def _merge(
        self,
        need: Need,
        sums: Counter[int],
        gathered: list[tuple[TilePart, list[PEShare]]],
        ends: list[int],
    ) -> list[int]:
        """Bring a lane's results to its home tile, the first, and add up what belongs together.

        Partial sums are added in a tree: of two neighbours with sums of the same outputs one sends
        its own to the other, as long as there are such. Then all go home.
        """
        heaps = [
            _Heap(part.tile, pes, [end]) for (part, pes), end in zip(gathered, ends, strict=True)
        ]
        while True:
            merged: list[_Heap] = []
            for heap in heaps:
                other = merged[-1] if merged else None
                shared = other is not None and not other.closed and other.shares(heap)
                if other is None or not shared:
                    merged.append(_Heap(heap.tile, heap.pes, heap.ends))
                    continue
                self._join(need, sums, other, heap)
                other.closed = True  # in this round
            if len(merged) == len(heaps):
                break
            heaps = [_Heap(h.tile, h.pes, h.ends) for h in merged]
        home, *others = heaps
        for heap in others:
            self._join(need, sums, home, heap)
        return home.ends

    def _join(self, need: Need, sums: Counter[int], into: _Heap, heap: _Heap) -> None:
        """Send the sums of one tile to another and add them to those there."""
        ends = heap.ends
        if heap.tile != into.tile:
            bits = result_bits(heap.pes, sums, need.input_bits)
            target = frozenset([(into.tile, WHOLE)])
            ends = [self.transport.send(heap.tile, target, bits, ends)[into.tile][0]]
        adds = additions([widths_of(into.pes), widths_of(heap.pes)])
        into.ends = [*into.ends, *ends]
        into.pes = [*into.pes, *heap.pes]
        if adds:
            work = {"add": adds}
            into.ends = [self._on_unit(need.operation, "sums", into.tile, work, into.ends)]

    def _info(
        self,
        operation: Operation,
        part: str,
        flows: tuple[int, int],
        arrays: list[int],
    ) -> None:
        need = self.plan.needs[operation.index]
        layer = operation.layer
        macs = operation.positions * sum(a.macs for pe in need.pes for a in pe.arrays)
        if layer is not None and need.weights is None:
            macs = layer.macs(self.trace.input_shapes(layer), self.trace.shapes[layer.name])
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
