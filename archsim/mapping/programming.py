"""Programming as flows: what a task switch writes into arrays, branches, masks and buffers.

A crossbar is written row by row. A loop of a row is one pulse and one verifying read through the
array's ADC; the next loop waits for the verdict of the one before. A tile writes into as many
arrays at once as its write drivers can feed, each chain one array after another. A bit-serial macro
has drivers of its own and is not verified: rows come over the tile's bus and are written at once.
The new values come from DRAM, or from the host, over the network.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from archsim.arch.model import Architecture
from archsim.arch.pe import AnalogRoles, MacroRoles, Roles, roles
from archsim.components.base import ceil_div
from archsim.components.column_mask import ColumnMask
from archsim.components.dram import Dram
from archsim.components.roles import Memory
from archsim.components.write_driver import WriteDriver
from archsim.errors import InputError
from archsim.mapping.graph import HOST
from archsim.mapping.plan import Plan
from archsim.mapping.spans import WHOLE
from archsim.mapping.tiling import ArrayShare
from archsim.mapping.transport import TILE, Transport
from archsim.mapping.writer import Writer
from archsim.mapping.written import Rewrite, Written, pes_written


def cell_endurance(arch: Architecture) -> float:
    """Cycles of writing that a cell of the arrays survives; inf if none is stated."""
    pe, driver = roles(arch.chip.tile.pe), arch.chip.tile.find(WriteDriver)
    if isinstance(pe, MacroRoles):
        return pe.array.endurance or math.inf
    return driver[1].endurance if driver else math.inf


@dataclass
class Programming:
    """Writes the flows of a switch into the Program that is being built."""

    arch: Architecture
    plan: Plan
    writer: Writer
    transport: Transport
    random: np.random.Generator
    written: Written = field(default_factory=Written)
    pe: Roles = field(init=False)

    def __post_init__(self) -> None:
        self.pe = roles(self.arch.chip.tile.pe)

    def write(self, rewrites: Sequence[Rewrite]) -> Written:
        """All flows; InputError for a layer or a part that is not there."""
        index = {operation.name: operation.index for operation in self.plan.operations}
        chains: dict[tuple[int, int], tuple[int, int]] = {}  # last flow and its instances
        for rewrite in rewrites:
            if rewrite.layer not in index:
                raise InputError(f"layer '{rewrite.layer}' to be written is not in the trace.")
            self.writer.layer = rewrite.layer
            operation = index[rewrite.layer]
            if rewrite.home == "array":
                self._arrays(rewrite, operation, chains)
            else:
                self._memories(rewrite, operation)
        return self.written

    # --- arrays --------------------------------------------------------------------------

    def _arrays(
        self, rewrite: Rewrite, operation: int, chains: dict[tuple[int, int], tuple[int, int]]
    ) -> None:
        found = self.arch.chip.tile.find(WriteDriver)
        if found is None and isinstance(self.pe, AnalogRoles):
            raise InputError(
                f"{self.arch.name} has no write driver to program its arrays with.",
                fix="Add a component of kind: write_driver to the tile, as "
                "arch_configs/rram_sram_hybrid.yaml does.",
            )
        tiles: dict[int, list[tuple[tuple[int, int, int], ArrayShare]]] = defaultdict(list)
        for lane in self.plan.parts(operation):
            pes = [
                (part.tile, number, share)
                for part, shares in lane
                for number, share in zip(part.pes, shares, strict=True)
            ]
            for tile, number, share in pes[: pes_written(rewrite.pes, len(pes))]:
                arrays = enumerate(share.arrays)
                tiles[tile] += [((tile, number, index), array) for index, array in arrays]
        cell_bits = self.pe.array.bits_per_cell
        depend = self.writer.builder.depend
        for tile, places in tiles.items():
            whole = sum(array.rows * array.columns for _, array in places) * cell_bits
            each = ceil_div(whole, len(places))
            load, _ = self._load(f"{rewrite.layer} load", tile, each, len(places))
            for order, (place, array) in enumerate(places):
                if isinstance(self.pe, MacroRoles):
                    flow, steps = self._macro(self.pe, rewrite, place, array)
                    depend(flow, load, [order], period=steps, repeat=steps, name="values")
                    continue
                assert found is not None  # checked above
                flow, loops = self._array(self.pe, rewrite, found, place, array)
                once = {"period": loops, "repeat": loops}
                depend(flow, load, [order], **once, name="values")
                chain = tile, order % found[1].rows
                if chain in chains:
                    before, last = chains[chain]
                    depend(flow, before, [last], **once, name="driver")
                chains[chain] = flow, loops - 1

    def _macro(
        self, pe: MacroRoles, rewrite: Rewrite, place: tuple[int, int, int], share: ArrayShare
    ) -> tuple[int, int]:
        """Rows of a plane, moved over the bus and written; returns the flow and its steps."""
        tile, number, index = place
        macro, path = pe.array, f"{TILE}.pe.{pe.names['array']}"
        steps = macro.write_steps(share.rows)
        cells = max(round(share.columns * rewrite.changed), 1)
        flow = self.writer.builder.flow(f"{rewrite.layer} writing", steps)
        self.writer.builder.lane()
        moved = self.transport.fetch(tile, ceil_div(share.rows, steps) * share.columns)
        resource = self.writer.resource(path, tile, number, index // macro.depth)
        bill = [(path, "write", share.rows * cells / steps)]
        self.writer.stage(resource, macro.write_period, bill, parents=[moved])
        self._count(flow, share, cells, share.rows * cells)
        return flow, steps

    def _count(self, flow: int, share: ArrayShare, cells: int, pulses: int) -> None:
        """Note what the flow of an array writes; cells: of each row."""
        written = self.written
        written.flows.append(flow)
        written.rows += share.rows
        written.cells += share.rows * cells
        written.pulses += pulses
        written.wear = max(written.wear, cells / share.columns)

    def _array(
        self,
        pe: AnalogRoles,
        rewrite: Rewrite,
        driver: tuple[str, WriteDriver],
        place: tuple[int, int, int],
        share: ArrayShare,
    ) -> tuple[int, int]:
        """Loop after loop of an array's rows; returns the flow and its loops."""
        name, drive = driver
        writer = self.writer
        path = {role: f"{TILE}.pe.{part}" for role, part in pe.names.items()}
        cells = max(round(share.columns * rewrite.changed), 1)
        row_loops, pulses = drive.draw_rows(share.rows, cells, self.random)
        loops = int(row_loops.sum())
        flow = writer.builder.flow(f"{rewrite.layer} programming", loops)
        writer.builder.lane()
        bill = [(f"{TILE}.{name}", "pulse", pulses / loops)]
        seconds = drive.pulse
        if drive.verify:
            seconds += pe.read_seconds()
            bill += [(path["array"], "cell_read", share.columns), (path["dac"], "pulse", 1)]
            bill += [(path["sample_hold"], "sample", share.columns)]
        tile, number, index = place
        stage = writer.stage(writer.resource(path["array"], *place), seconds, bill)
        if drive.verify:
            converter = tile, number, index % pe.adc.count
            writer.repeat(path["adc"], converter, pe.adc.convert(cells), 1, [stage])
        writer.builder.depend(flow, flow, [-1], name="verdict")
        self._count(flow, share, cells, pulses)
        return flow, loops

    # --- everything else -----------------------------------------------------------------

    def _memories(self, rewrite: Rewrite, operation: int) -> None:
        """Values that go into a unit's memory, into mask memories or into a tile's buffer."""
        need = self.plan.needs[operation]
        for lane in self.plan.parts(operation):
            columns = sum(a.columns for _, pes in lane for pe in pes for a in pe.arrays)
            for part, pes in lane:
                if rewrite.home == "mask":
                    own = [sum(a.columns for a in pe.arrays) for pe in pes]
                    bits = [ceil_div(rewrite.bits * count, columns) for count in own]
                    _, loaded = self._load(f"{rewrite.layer} mask", part.tile, sum(bits))
                    for number, count in zip(part.pes, bits, strict=True):
                        self._store(self._mask(), (part.tile, number), count, loaded)
                    self.written.bits += sum(bits)
                    continue
                shares = part.slice.parts if rewrite.home == "unit" else len(lane)
                count = ceil_div(rewrite.bits, shares)
                _, loaded = self._load(f"{rewrite.layer} values", part.tile, count)
                if rewrite.home == "unit":
                    assert need.unit is not None  # the plan has placed it there
                    name, unit = need.unit
                    assert isinstance(unit, Memory)  # and has found that it holds weights
                    self._store((f"{TILE}.{name}", unit), (part.tile,), count, loaded)
                self.written.bits += count

    def _mask(self) -> tuple[str, Memory]:
        found = self.arch.chip.tile.pe.find(ColumnMask)
        assert found is not None  # the plan has found it
        return f"{TILE}.pe.{found[0]}", found[1]

    def _load(self, name: str, tile: int, bits: int, times: int = 1) -> tuple[int, int]:
        """Bring `bits` to a tile's buffer, `times` times; the flow and its last stage.

        The lane is left open.
        """
        flow = self.writer.builder.flow(name, times)
        self.writer.builder.lane()
        parents: list[int] = []
        table = self.arch.chip.find(Dram)
        if table is not None:
            parents = [self.writer.work(f"chip.{table[0]}", (), table[1].access(bits))]
        self.transport.deliver(HOST, bits, frozenset([(tile, WHOLE)]), parents)
        self.written.flows.append(flow)
        return flow, self.writer.builder.stages - 1

    def _store(
        self, memory: tuple[str, Memory], place: tuple[int, ...], bits: int, loaded: int
    ) -> None:
        """Write into a memory what has been loaded in the open lane."""
        path, part = memory
        self.writer.work(path, place, part.write(bits), [loaded])
