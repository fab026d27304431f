"""The floor of the chips: which tile has PEs, buffer space and digital units to spare."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from archsim.arch.model import Architecture
from archsim.components.base import ceil_div
from archsim.components.buffer import Buffer
from archsim.mapping.network import Network
from archsim.mapping.spans import Slice
from archsim.program import Ints


class NoRoom(Exception):
    """The floor is too small for what has to be placed; chips_help: more chips could hold it."""

    def __init__(self, reason: str, *, chips_help: bool = True):
        super().__init__(reason)
        self.chips_help = chips_help


@dataclass
class TilePart:
    """What one lane of an operation uses of one tile: PEs by number, or a unit for a slice."""

    tile: int
    pes: list[int] = field(default_factory=list)
    slice: Slice = field(default_factory=Slice)


@dataclass(frozen=True)
class Room:
    """Buffer bits of an operation in one tile: for its first lane there, for each further one, and
    at most, where all lanes together need the whole input."""

    first: int
    further: int
    most: int

    def __add__(self, other: Room) -> Room:
        return Room(self.first + other.first, self.further + other.further, self.most + other.most)

    def of(self, lanes: int) -> int:
        """Bits of `lanes` lanes on one tile."""
        return min(self.first + (lanes - 1) * self.further, self.most) if lanes else 0


@dataclass
class Lane:
    """One copy of an operation's hardware; results of arrays leave from the home tile."""

    parts: list[TilePart]

    @property
    def home(self) -> int:
        return self.parts[0].tile


class Floor:
    """Free PEs, buffer bits and unit time of every tile of every chip."""

    def __init__(self, arch: Architecture, chips: int):
        tile = arch.chip.tile
        found = tile.find(Buffer)
        assert found is not None  # checked when the architecture was loaded
        buffer = found[1]
        self.tiles = tile.count * chips
        self.pes_per_tile = tile.pe.count
        self.bits_per_tile = int(buffer.capacity) * buffer.count
        self.used_pes = [0] * self.tiles
        self.free_bits = np.full(self.tiles, self.bits_per_tile)
        self.load: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self.memory = {  # free bits of weights in units that hold some, by name and tile
            name: np.full(self.tiles, int(getattr(part, "capacity", 0)) * part.count)
            for name, part in tile.parts.items()
            if "weight_mac" in getattr(part, "primitives", ())
        }
        self.cursor = 0
        network = Network(arch, chips)
        routers = [network.router_of(tile) for tile in range(self.tiles)]
        spots = [network.place(router) for _, router in routers]
        self.chip = np.array([chip for chip, _ in routers])
        self.x, self.y = np.array([x for x, _ in spots]), np.array([y for _, y in spots])

    def place_array_lanes(self, lanes: int, pes: list[int], room: Room, name: str) -> list[Lane]:
        """Place the PEs of all lanes on consecutive tiles; every tile used also buffers the input.

        pes: PEs of a lane by shard. Shards stand on different tiles, because each buffers other
        channels; lanes may share a tile.
        """
        placed = [Lane([]) for _ in range(lanes)]
        for index, size in enumerate(pes):
            there: Counter[int] = Counter()  # lanes by tile
            if index:
                self.cursor += 1  # a fresh tile for the next channels
            for lane in placed:
                lane.parts += self._place_pes(size, room, there, Slice(index, len(pes)), name)
        return placed

    def _place_pes(
        self, pes: int, room: Room, there: Counter[int], channels: Slice, name: str
    ) -> list[TilePart]:
        if room.first > self.bits_per_tile:
            raise self._no_buffer(name, room.first)
        parts: list[TilePart] = []
        left = pes
        while left:
            tile = self.cursor
            if tile >= self.tiles:
                raise NoRoom(f"{name} needs {left} more PEs or buffer space for its inputs")
            free = self.pes_per_tile - self.used_pes[tile]
            bits = room.of(there[tile] + 1) - room.of(there[tile])
            if free == 0 or self.free_bits[tile] < bits:
                self.cursor += 1
                continue
            there[tile] += 1
            self.free_bits[tile] -= bits
            taken = min(free, left)
            first = self.used_pes[tile]
            parts.append(TilePart(tile, list(range(first, first + taken)), channels))
            self.used_pes[tile] += taken
            left -= taken
        return parts

    def _no_buffer(self, name: str, bits: int) -> NoRoom:
        return NoRoom(
            f"{name} needs {ceil_div(bits, 8192)} KB of buffer in a tile for its inputs, "
            f"a tile has {self.bits_per_tile // 8192} KB",
            chips_help=False,
        )

    def join_lanes(self, lanes: list[Lane], bits: int, unit: str, load: float) -> bool:
        """Put another operation on the tiles of one that is there; False if buffers lack room."""
        tiles = [part.tile for lane in lanes for part in lane.parts]
        if any(self.free_bits[tile] < bits for tile in tiles):
            return False
        loads = self.load.setdefault(unit, np.zeros(self.tiles))
        for tile in tiles:
            self.free_bits[tile] -= bits
            loads[tile] += load
        return True

    def place_unit_lanes(
        self,
        lanes: int,
        shards: int,
        bits: int,
        unit: str,
        load: float,
        near: list[int],
        name: str,
        weights: int = 0,
    ) -> list[Lane]:
        """Give each of lanes x shards a unit on a tile of its own, the nearest with room.

        load: share of the unit's time that each takes; bits: buffer space each needs; near: for
        each lane the tile beside which it is to stand; weights: bits of weights that the unit
        itself must hold.
        """
        if bits > self.bits_per_tile:
            raise self._no_buffer(name, bits)
        loads = self.load.setdefault(unit, np.zeros(self.tiles))
        memory = self.memory.get(unit) if weights else None
        roomy = self.free_bits >= bits
        if memory is not None:
            roomy &= memory >= weights
        wanted = lanes * shards
        present = int(roomy.sum())
        if present < wanted:
            room = f"{bits // 8192 + 1} KB of free buffer"
            if weights:
                room += f" and {ceil_div(weights, 8192)} KB free in the {unit}"
            raise NoRoom(f"{name} needs {wanted} tiles with {room} each, {present} have it")
        # units that are busy already are shared last, the least loaded first
        busy = np.where(loads + load <= 1, 0.0, 1 + loads)
        placed = []
        for tile in near:
            free = np.flatnonzero(roomy)
            order = np.lexsort((free, self._hops(tile)[free], busy[free]))
            chosen = free[order[:shards]]
            roomy[chosen] = False
            if memory is not None:
                memory[chosen] -= weights
            self.free_bits[chosen] -= bits
            loads[chosen] += load
            parts = enumerate(chosen.tolist())
            placed.append(Lane([TilePart(t, slice=Slice(index, shards)) for index, t in parts]))
        return placed

    def _hops(self, tile: int) -> Ints:
        """Links between the routers of a tile and of every other; another chip is far away."""
        far = (self.chip != self.chip[tile]) * self.tiles
        found: Ints = abs(self.x - self.x[tile]) + abs(self.y - self.y[tile]) + far
        return found
