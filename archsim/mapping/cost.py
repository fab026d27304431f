"""What a choice costs: seconds per inference of every step of an operation that stands so often.

The slowest step sets the pace of the operation. Rules and search ask here, and so does whoever
wants to know why a layer has as many copies as it has. The steps of one tile are added up over the
copies that stand there: they share its bus, buffer, units and link.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.arch.pe import AnalogRoles, roles
from archsim.components.base import ceil_div
from archsim.components.buffer import Buffer
from archsim.components.bus import Bus
from archsim.components.dram import Dram
from archsim.components.mesh_router import MeshRouter
from archsim.components.offchip_link import OffchipLink
from archsim.components.register import Register
from archsim.mapping.columns import columns_of
from archsim.mapping.graph import HOST, Operation
from archsim.mapping.needs import Need
from archsim.mapping.primitives import primitives
from archsim.mapping.sums import additions, result_bits, widths_of
from archsim.mapping.units import fastest

Steps = dict[str, float]


@dataclass(frozen=True)
class _PerPosition:
    """Seconds of one position: on a copy of its own, and on a tile that copies share.

    together: copies that stand on one tile; fetch, gather: bits over the tile's bus.
    """

    own: Steps
    tile: Steps
    together: int
    fetch: int
    gather: int
    buffer: float


class Costs:
    """Costs of the operations of one trace on one architecture."""

    def __init__(self, arch: Architecture, ops: list[Operation], needs: list[Need]):
        self.arch, self.ops, self.needs = arch, ops, needs
        buffer, bus = arch.chip.tile.find(Buffer), arch.chip.tile.find(Bus)
        assert buffer is not None and bus is not None  # checked when the architecture was loaded
        self.buffer, self.bus = buffer[1], bus[1]
        router, link = arch.chip.find(MeshRouter), arch.chip.find(OffchipLink)
        self.router = router[1] if router else None
        self.link = link[1] if link else None
        self.register = arch.chip.tile.find(Register, side="output")
        self._known: dict[tuple[int, int], _PerPosition] = {}

    def slowest(self, index: int, lanes: int, shards: int = 1) -> float:
        """Seconds per inference of the slowest step."""
        return max(self.steps(index, lanes, shards).values(), default=0.0)

    def reason(self, index: int, lanes: int, shards: int = 1) -> tuple[str, float]:
        """The slowest step and its seconds per inference."""
        steps = self.steps(index, lanes, shards)
        return max(steps.items(), key=lambda item: item[1], default=("nothing", 0.0))

    def steps(self, index: int, lanes: int, shards: int = 1) -> Steps:
        """Seconds per inference of every step, of the copy or tile that has most of it."""
        operation = self.ops[index]
        if operation.off_chip:
            return self._outside(operation)
        each = self._per_position(index, shards)
        share = math.ceil(operation.positions / lanes)
        together = min(lanes, each.together)
        found = {step: share * seconds for step, seconds in each.own.items()}
        for step, seconds in each.tile.items():
            found[step] = found.get(step, 0.0) + share * together * seconds
        arriving, network = self._arriving(operation, lanes, together, shards)
        per_line = 1 / (self.buffer.clock * self.buffer.ports)
        found["buffer"] = share * together * each.buffer + arriving * per_line
        if network:
            found["network in"] = network
        return found

    def fixed(self) -> float:
        """Seconds per inference that no number of copies changes: what crosses the chip's edge."""
        edge = [self.slowest(o.index, 1) for o in self.ops if o.off_chip]
        leaving = 0.0
        if self.link is not None:
            for operation in self.ops:
                if HOST in operation.consumers and not operation.off_chip:
                    bits = self.needs[operation.index].result_bits
                    each = self.link.transfer(bits).seconds / self.link.links
                    leaving += operation.positions * each
        return max([*edge, leaving])

    # --- the parts ------------------------------------------------------------------------

    def _per_position(self, index: int, shards: int) -> _PerPosition:
        key = index, shards
        if key not in self._known:
            need = self.needs[index]
            of = self._array if need.weights is not None else self._digital
            self._known[key] = of(need, shards)
        return self._known[key]

    def _array(self, need: Need, shards: int) -> _PerPosition:
        pe, bits = roles(self.arch.chip.tile.pe), need.input_bits
        per_tile = self.arch.chip.tile.pe.count
        pes = need.pes
        here = pes[:per_tile]
        sums = Counter(array.outputs for share in pes for array in share.arrays)
        loaded = max(s.input_elements for s in pes) * bits * need.turns
        stored = max(sum(s.widths.values()) for s in pes) * bits
        name = "reads"
        if isinstance(pe, AnalogRoles):
            reads = pe.input_beats(bits) * pe.read_seconds() * need.turns
            name = "reads" if need.seconds <= reads * (1 + 1e-9) else "conversions"
        own = {
            name: need.seconds,
            "input register": pe.input_register.access(loaded).seconds,
            "output register": pe.output_register.access(stored).seconds,
        }
        tiles = [pes[i : i + per_tile] for i in range(0, len(pes), per_tile)]
        adds = additions([s.widths for s in here])
        levels = math.ceil(math.log2(len(tiles))) if len(tiles) > 1 else 0
        merged = additions([widths_of(t) for t in tiles])
        adds += ceil_div(merged * levels, max(len(tiles) - 1, 1))
        tile = self._leaving(need, 1)
        if adds and (unit := fastest(self.arch, {"add": adds})) is not None:
            tile["sums"] = unit[1].compute({"add": adds}).seconds
        fetch = sum({a.inputs: a.rows for s in here for a in s.arrays}.values()) * bits
        gather = sum(result_bits([s], sums, bits) for s in here)
        tile["bus"] = self.bus.transfer(fetch).seconds + self.bus.transfer(gather).seconds
        reading = self.buffer.access(fetch).seconds / self.buffer.ports
        together = max(per_tile // len(pes), 1)
        return _PerPosition(own, tile, together, fetch, gather, reading)

    def _digital(self, need: Need, shards: int) -> _PerPosition:
        mean = need.growth.mean if need.growth else 1.0
        own: Steps = {}
        if need.unit is not None:
            share = {k: v / shards for k, v in need.work.items()}
            own[f"unit {need.unit[0]}"] = mean * need.unit[1].compute(share).seconds
        fetched = 0
        for which, bits in need.reads.items():
            grown = need.read_growth.get(which)
            fetched += ceil_div(round(bits * (grown.mean if grown else 1.0)), shards)
        gather = ceil_div(need.result_bits, shards)
        tile = self._leaving(need, shards)
        tile["bus"] = self.bus.transfer(fetched).seconds + self.bus.transfer(gather).seconds
        reading = self.buffer.access(fetched).seconds / self.buffer.ports
        return _PerPosition(own, tile, 1, fetched, gather, reading)

    def _leaving(self, need: Need, shards: int) -> Steps:
        """Fused activations, gates, the tile's output register and its link to the router."""
        operation, found = need.operation, Steps()
        works = [primitives(f, [operation.shape], operation.shape) for f in operation.fused]
        if operation.recurrent:
            works.append(need.work)
        for work in works:
            share = {k: v / shards for k, v in work.items()}
            if (unit := fastest(self.arch, share)) is not None:
                step = f"unit {unit[0]}"
                found[step] = found.get(step, 0.0) + unit[1].compute(share).seconds
        bits = ceil_div(need.result_bits, shards)
        if self.register is not None:
            found["tile's output register"] = self.register[1].access(bits).seconds
        if self.router is not None:
            packets, work_of_one = self.router.packets(bits)
            found["network out"] = packets * work_of_one.seconds
        return found

    def _arriving(
        self, operation: Operation, lanes: int, together: int, shards: int
    ) -> tuple[float, float]:
        """Of one tile: lines written into its buffer, and seconds of its link, per inference."""
        need = self.needs[operation.index]
        lines = seconds = 0.0
        for feed in operation.feeds:
            producer = self.ops[feed.producer]
            positions = float(producer.positions)
            columns = columns_of(operation, lanes, producer.shape)
            if feed.one_to_one:
                positions *= together / lanes
            elif columns is not None:
                reached = columns.needed + (together - 1) * columns.stride
                positions *= min(reached, columns.every) / columns.every
            bits = ceil_div(producer.channels * need.input_bits, shards)
            lines += positions * self.buffer.access(bits).cycles
            if self.router is not None:
                packets, work = self.router.packets(bits)
                seconds += positions * packets * work.seconds
        return lines, seconds

    def _outside(self, operation: Operation) -> Steps:
        """An input of the model over the chip's edge; rows of a table, a tensor in DRAM."""
        need, found = self.needs[operation.index], Steps()
        dram = self.arch.chip.find(Dram)
        if operation.layer is not None and dram is not None:
            bits = operation.channels * (
                need.input_bits if operation.stored is not None else need.weight_bits
            )
            access = dram[1].access(bits)
            found["dram"] = operation.positions * access.seconds / access.servers
        elif self.link is not None:
            each = self.link.transfer(need.result_bits).seconds / self.link.links
            found["off-chip link"] = operation.positions * each
        return found
