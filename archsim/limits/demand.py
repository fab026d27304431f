"""What one position of an operation takes of the chip however it is mapped, resource by resource.

A mapping may cut an operation into shards by channels, give it any number of lanes, and put each
of them anywhere. Neither changes the sums that are counted here, or only makes them larger:

- Shards read disjoint channels and lanes disjoint positions, so that all elements of a vector are
  still read once from some buffer, and cross some bus and input register.
- Each complete result leaves once: output registers, bus, and the buffer of at least one consumer
  for every position that one of them needs.
- Row tiles that do not fit one PE meet on a digital unit: k partial sums take k - 1 additions in
  any order, also in a tree.
- An array is read, and its used columns converted, once per vector and digit of the input. Cuts by
  input channels make more arrays, never fewer: of the points at every R-th row and O-th column of
  the matrix no array of R rows and O outputs holds two.
- Amounts are not rounded up where a share of them could be rounded less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.arch.pe import AnalogRoles, Roles, roles
from archsim.components.base import Work, ceil_div
from archsim.components.buffer import Buffer
from archsim.components.bus import Bus
from archsim.components.dram import Dram
from archsim.components.offchip_link import OffchipLink
from archsim.components.register import Register
from archsim.limits.needed import positions_needed
from archsim.mapping.graph import HOST, Operation
from archsim.mapping.growth import Growth
from archsim.mapping.needs import Need
from archsim.mapping.primitives import Primitives, primitives

READS, CONVERSIONS, ADDERS, ALIGNMENT = "reads", "conversions", "shift-and-add", "alignment"
BUSES, BUFFERS, DRAM, LINKS = "buses", "buffers", "DRAM", "off-chip links"
INPUTS, OUTPUTS, TILE_OUTPUTS = "input registers", "output registers", "tile output registers"
IN_ARRAYS = (READS, CONVERSIONS, ADDERS, ALIGNMENT)
MANY = 1 << 30  # bits at once, so that rounding up to words does not matter

Share = Callable[[Growth | None], float]


@dataclass(frozen=True)
class Demand:
    """Of one operation, on any mapping.

    seconds: of server time per position, by resource, on average over an inference; least: the
    same at the position that takes least; arrays: that hold one copy of its weights; units: works
    for digital units per position, each all on one unit, with the units that may do it.
    """

    operation: Operation
    need: Need
    seconds: Mapping[str, float]
    least: Mapping[str, float]
    arrays: int
    units: tuple[tuple[Primitives, tuple[str, ...]], ...]


def capacities(arch: Architecture, chips: int) -> dict[str, float]:
    """Servers of each resource on `chips` chips."""
    tile, pe = arch.chip.tile, roles(arch.chip.tile.pe)
    tiles = chips * tile.count
    pes = tiles * tile.pe.count
    found: dict[str, float] = {INPUTS: pes, OUTPUTS: pes, TILE_OUTPUTS: tiles, BUSES: tiles}
    found[READS] = found[ALIGNMENT] = pes * pe.array.count
    if isinstance(pe, AnalogRoles):
        ports = pe.shift_add.count * pe.shift_add.inputs
        found[CONVERSIONS] = pes * pe.adc.count
        found[ADDERS] = pes * min(ports, pe.array.count)
    dram, link = arch.chip.find(Dram), arch.chip.find(OffchipLink)
    if dram is not None:
        found[DRAM] = dram[1].access(1).servers
    if link is not None:
        found[LINKS] = chips * link[1].transfer(1).servers
    buffer = tile.find(Buffer)
    assert buffer is not None  # checked when the architecture was loaded
    found[BUFFERS] = tiles * buffer[1].access(1).servers
    return found


def storage(arch: Architecture, chips: int) -> int:
    """Arrays' worth of weights on `chips` chips."""
    tile = arch.chip.tile
    return chips * tile.count * tile.pe.count * roles(tile.pe).planes


def able(arch: Architecture, work: Primitives) -> tuple[str, ...]:
    """Digital units of a tile that run all the primitives."""
    return tuple(
        name
        for name, part in arch.chip.tile.parts.items()
        if set(work) <= getattr(part, "primitives", frozenset())
    )


def demands(
    arch: Architecture, ops: list[Operation], needs: list[Need], chips: int
) -> list[Demand]:
    """The demands of all operations; needs: as `needs_of` gives them."""
    pe = roles(arch.chip.tile.pe)
    known: dict[tuple[object, ...], dict[str, float]] = {}
    found = []
    for operation, need in zip(ops, needs, strict=True):
        amounts: dict[str, float] = {}
        if need.weights is not None:
            alike = id(need.shard_pes), need.weight_bits, need.input_bits, need.kept
            if alike not in known:
                known[alike] = _product(pe, need)
            amounts = known[alike]
        moved = _Moved(arch, ops, operation, need, chips)
        found.append(
            Demand(
                operation,
                need,
                seconds=amounts | moved.seconds(lambda growth: growth.mean if growth else 1.0),
                least=amounts
                | moved.seconds(lambda growth: growth.least / growth.span if growth else 1.0),
                arrays=need.arrays,
                units=tuple(_units(arch, pe, operation, need)),
            )
        )
    return found


def _product(pe: Roles, need: Need) -> dict[str, float]:
    """Server seconds of a vector in the arrays and registers of PEs."""
    arrays = [array for share in need.pes for array in share.arrays]
    bits = need.input_bits
    beats = pe.input_beats(bits) * need.turns
    inputs = sum({a.inputs: a.rows for a in arrays}.values()) * bits * need.turns
    outputs = sum({a.outputs: a.width for a in arrays}.values()) * bits
    found = {
        INPUTS: _smooth(pe.input_register.access, inputs),
        OUTPUTS: _smooth(pe.output_register.access, outputs),
    }
    if isinstance(pe, AnalogRoles):
        used = [pe.converted(a.columns, need.kept) for a in arrays]
        found[READS] = beats * len(arrays) * pe.read_seconds()
        found[CONVERSIONS] = beats * sum(pe.adc.convert(n).seconds for n in used)
        found[ADDERS] = beats * sum(pe.shift_add.accumulate(n).seconds for n in used)
    else:
        found[READS] = beats * len(arrays) * pe.beat_seconds(1)
        if pe.array.aligned(bits):
            found[ALIGNMENT] = sum(pe.array.align(a.rows).seconds for a in arrays)
    return found


@dataclass(frozen=True)
class _Moved:
    """What a position moves: buffer, bus, tile's output register, off-chip link, DRAM."""

    arch: Architecture
    ops: list[Operation]
    operation: Operation
    need: Need
    chips: int

    def seconds(self, share: Share) -> dict[str, float]:
        """Server seconds of a position; share: of the full work that growing work does."""
        tile, chip, need = self.arch.chip.tile, self.arch.chip, self.need
        buffer, bus = tile.find(Buffer), tile.find(Bus)
        assert buffer is not None and bus is not None  # checked when the architecture was loaded
        result = need.result_bits * share(need.result_growth)
        needed = positions_needed(self.operation, self.ops) / self.operation.positions
        found: dict[str, float] = {}
        if self.operation.off_chip:
            found |= self._from_outside(needed)
            arrived = needed * result
            found[BUFFERS] = arrived * _per_bit(buffer[1].access)
            return found
        if need.weights is not None:
            arrays = [array for share in need.pes for array in share.arrays]
            read = float(sum({a.inputs: a.rows for a in arrays}.values()) * need.input_bits)
            left = float(sum({a.outputs: a.width for a in arrays}.values()) * need.input_bits)
        else:
            read = sum(
                bits * share(need.read_growth.get(which)) for which, bits in need.reads.items()
            )
            left = result
        found[BUSES] = (read + left) * _per_bit(bus[1].transfer)
        found[BUFFERS] = (read + needed * result) * _per_bit(buffer[1].access)
        register, link = tile.find(Register, side="output"), chip.find(OffchipLink)
        if register is not None:
            found[TILE_OUTPUTS] = result * _per_bit(register[1].access)
        if link is not None and HOST in self.operation.consumers:
            found[LINKS] = result * _per_bit(link[1].transfer)
        return found

    def _from_outside(self, needed: float) -> dict[str, float]:
        """A position of an input, a row of a table, a stored tensor's way out and back."""
        found: dict[str, float] = {}
        link, dram = self.arch.chip.find(OffchipLink), self.arch.chip.find(Dram)
        bits = self.need.result_bits
        if link is not None:  # a single chip's link carries the vector whole
            whole = link[1].transfer(bits).seconds
            cut = bits * _per_bit(link[1].transfer)
            found[LINKS] = needed * (whole if self.chips == 1 else cut)
        if dram is not None and self.operation.layer is not None:
            stored = self.operation.stored is not None
            width = self.need.input_bits if stored else self.need.weight_bits
            access = dram[1].access(self.operation.channels * width).seconds
            found[DRAM] = access * (2 if stored else 1)
        return found


def _per_bit(move: Callable[[int], Work]) -> float:
    """Seconds per bit of a long transfer."""
    return move(MANY).seconds / MANY


def _smooth(move: Callable[[int], Work], bits: float) -> float:
    return bits * _per_bit(move)


def _units(
    arch: Architecture, pe: Roles, operation: Operation, need: Need
) -> list[tuple[Primitives, tuple[str, ...]]]:
    """Works of a position for digital units: its own, fused ones, partial sums that meet."""
    found: list[Primitives] = []
    if need.memory_bits and need.unit is not None:  # its weights are in that unit
        return [(need.work, (need.unit[0],))]
    if need.work:
        found.append(need.work)
    found += [primitives(fused, [operation.shape], operation.shape) for fused in operation.fused]
    if need.weights is not None:
        row_tiles: dict[int, int] = {}
        widths: dict[int, int] = {}
        for share in need.pes:
            for array in share.arrays:
                row_tiles[array.outputs] = row_tiles.get(array.outputs, 0) + 1
                widths[array.outputs] = array.width
        adds = sum(
            (ceil_div(tiles, pe.planes) - 1) * widths[group] for group, tiles in row_tiles.items()
        )
        if adds:
            found.append({"add": adds})
    return [(work, able(arch, work)) for work in found if work]
