"""The floor of the chips: which tile has PEs, buffer space and digital units to spare."""

from __future__ import annotations

from dataclasses import dataclass, field

from archsim.arch.model import Architecture
from archsim.components.buffer import Buffer
from archsim.mapping.network import Slice


class NoRoom(Exception):
    """The floor is too small for what has to be placed; `needs` says for what."""


@dataclass
class TilePart:
    """What one lane of an operation uses of one tile: PEs by number, or a unit for a slice."""

    tile: int
    pes: list[int] = field(default_factory=list)
    slice: Slice = Slice()


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
        self.free_bits = [self.bits_per_tile] * self.tiles
        self.load: dict[str, list[float]] = {}
        self.cursor = 0

    def place_array_lanes(self, lanes: int, pes: int, bits: int, name: str) -> list[Lane]:
        """Give each lane `pes` PEs on consecutive tiles; every tile used also buffers `bits`."""
        reserved: set[int] = set()
        placed = []
        for _ in range(lanes):
            parts: list[TilePart] = []
            left = pes
            while left:
                tile = self.cursor
                if tile == self.tiles:
                    raise NoRoom(f"{name} needs {left} more PEs or buffer space for its inputs")
                free = self.pes_per_tile - self.used_pes[tile]
                if free == 0 or (tile not in reserved and self.free_bits[tile] < bits):
                    self.cursor += 1
                    continue
                if tile not in reserved:
                    reserved.add(tile)
                    self.free_bits[tile] -= bits
                taken = min(free, left)
                first = self.used_pes[tile]
                parts.append(TilePart(tile, list(range(first, first + taken))))
                self.used_pes[tile] += taken
                left -= taken
            placed.append(Lane(parts))
        return placed

    def place_unit_lanes(
        self, lanes: int, shards: int, bits: int, unit: str, load: float, near: int, name: str
    ) -> list[Lane]:
        """Give each of lanes x shards a unit on a tile of its own, the nearest with room.

        load: share of the unit's time that each takes; bits: buffer space each needs.
        """
        loads = self.load.setdefault(unit, [0.0] * self.tiles)
        order = sorted(range(self.tiles), key=lambda t: (abs(t - near), t))
        roomy = [t for t in order if self.free_bits[t] >= bits]
        wanted = lanes * shards
        if len(roomy) < wanted:
            raise NoRoom(
                f"{name} needs {wanted} tiles with {bits // 8192 + 1} KB of free buffer each, "
                f"{len(roomy)} have it"
            )
        idle = [t for t in roomy if loads[t] + load <= 1]
        if len(idle) < wanted:  # share units that are busy already, the least loaded first
            rest = sorted(set(roomy) - set(idle), key=lambda t: (loads[t], abs(t - near), t))
            idle += rest
        chosen = idle[:wanted]
        for tile in chosen:
            self.free_bits[tile] -= bits
            loads[tile] += load
        return [
            Lane(
                [
                    TilePart(tile, slice=Slice(index, shards))
                    for index, tile in enumerate(chosen[i * shards : (i + 1) * shards])
                ]
            )
            for i in range(lanes)
        ]
