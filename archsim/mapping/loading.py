"""How the weights of a pass get into its arrays: flows on the same Program as the inferences.

Array by array: DRAM (or the host), off-chip link, mesh, the tile's buffer, its bus, and then the
steps of a macro's write. A tile has two arrays in flight of each layer, one that arrives and one
that is written. Crossbars are written loop by loop, as `Programming` does it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from archsim.arch.model import Architecture
from archsim.arch.pe import MacroRoles, roles
from archsim.components.dram import Dram
from archsim.mapping.graph import HOST
from archsim.mapping.mapped import OperationInfo
from archsim.mapping.plan import Plan
from archsim.mapping.programming import Programming
from archsim.mapping.spans import WHOLE
from archsim.mapping.tiling import ArrayShare
from archsim.mapping.transport import TILE, Transport
from archsim.mapping.writer import Writer
from archsim.mapping.written import Rewrite

IN_FLIGHT = 2  # arrays of a layer that a tile's buffer holds on their way


@dataclass
class Loading:
    """Writes the flows that load passes.

    bits: that came from outside; wear: writes of the cell that is written most often, by a batch.
    """

    arch: Architecture
    writer: Writer
    transport: Transport
    random: np.random.Generator
    bits: int = 0
    wear: float = 0.0
    flows: list[list[int]] = field(default_factory=list)
    _writes: dict[tuple[int, int, int], float] = field(default_factory=dict)

    def load(self, plan: Plan, infos: Sequence[OperationInfo]) -> None:
        """The weights of one pass; its products wait for those of their own layer."""
        pe = roles(self.arch.chip.tile.pe)
        mine: list[int] = []
        for operation, info in zip(plan.operations, infos, strict=True):
            if plan.needs[operation.index].weights is None:
                continue
            self.writer.layer = operation.name
            if isinstance(pe, MacroRoles):
                flows = self._macros(pe, plan, operation.index)
            else:
                flows = self._crossbars(plan, operation.index)
            for flow in flows:
                self._after(info.flows[0], flow, "weights")
            mine += flows
        self.flows.append(mine)
        self.wear = max(self._writes.values(), default=self.wear)

    def wait(self, flows: Sequence[int], earlier: Sequence[OperationInfo]) -> None:
        """Flows that begin when all of an earlier pass is done, for the whole batch."""
        for flow in flows:
            for info in earlier:
                self._after(flow, info.flows[1], "pass")

    def _after(self, flow: int, before: int, name: str) -> None:
        """All of a flow waits for all of another one."""
        builder = self.writer.builder
        count, last = builder.instances(flow), builder.instances(before) - 1
        builder.depend(flow, before, [last], period=count, repeat=count, name=name)

    def _macros(self, pe: MacroRoles, plan: Plan, operation: int) -> list[int]:
        macro, path = pe.array, f"{TILE}.pe.{pe.names['array']}"
        tiles: dict[int, list[tuple[int, int, ArrayShare]]] = defaultdict(list)
        for lane in plan.parts(operation):
            for part, shares in lane:
                for number, share in zip(part.pes, shares, strict=True):
                    arrays = enumerate(share.arrays)
                    tiles[part.tile] += [(number, index, array) for index, array in arrays]
        flows = []
        builder, table = self.writer.builder, self.arch.chip.find(Dram)
        for tile, held in tiles.items():
            flow = builder.flow(f"{self.writer.layer} weights", len(held))
            for number, index, array in held:
                builder.lane()
                bits = array.rows * array.columns * macro.bits_per_cell
                parents: list[int] = []
                if table is not None:
                    parents = [self.writer.work(f"chip.{table[0]}", (), table[1].access(bits))]
                self.transport.deliver(HOST, bits, frozenset([(tile, WHOLE)]), parents)
                steps = macro.write_steps(array.rows)
                read = self.transport.buffer.access(bits)
                arrived = [builder.stages - 1]
                fetched = self.writer.work(self.transport.buffer_path, (tile,), read, arrived)
                moved = self.transport.to_bus(tile, bits, [fetched])
                resource = self.writer.resource(path, tile, number, index // macro.depth)
                bill = [(path, "write", array.rows * array.columns / steps)]
                self.writer.stage(
                    resource, macro.write_period, bill, beats=steps, hold=True, parents=[moved]
                )
                self.bits += bits
                place = tile, number, index
                self._writes[place] = self._writes.get(place, 0.0) + 1
            if len(held) > IN_FLIGHT:
                builder.depend(flow, flow, [-IN_FLIGHT], name="buffer of arrays")
            flows.append(flow)
        return flows

    def _crossbars(self, plan: Plan, operation: int) -> list[int]:
        programming = Programming(self.arch, plan, self.writer, self.transport, self.random)
        written = programming.write([Rewrite(plan.operations[operation].name)])
        pe = roles(self.arch.chip.tile.pe)
        for lane in plan.parts(operation):
            for part, shares in lane:
                for number, share in zip(part.pes, shares, strict=True):
                    for index, array in enumerate(share.arrays):
                        self.bits += array.rows * array.columns * pe.array.bits_per_cell
                        place = part.tile, number, index
                        self._writes[place] = self._writes.get(place, 0.0) + 1
        return written.flows
