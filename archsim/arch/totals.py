"""Power, area and peak performance of an architecture, added up from its parts."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.model import Architecture, Level
from archsim.arch.pe import peak_ops_per_second, roles
from archsim.components.mesh_router import MeshRouter


@dataclass(frozen=True)
class Total:
    """Watts at full activity and mm2."""

    power: float
    area: float

    def __add__(self, other: Total) -> Total:
        return Total(self.power + other.power, self.area + other.area)

    def times(self, count: float) -> Total:
        return Total(self.power * count, self.area * count)


def own_total(level: Level) -> Total:
    """The components of one unit of a level, lower levels left out."""
    total = Total(0.0, 0.0)
    for part in level.parts.values():
        total += Total(part.power, part.area).times(part.count)
    return total


def pe_total(arch: Architecture) -> Total:
    """One PE."""
    return own_total(arch.chip.tile.pe)


def tile_total(arch: Architecture) -> Total:
    """One tile with its PEs and its share of the router (as ISAAC's Table I counts it)."""
    tile = arch.chip.tile
    total = own_total(tile) + pe_total(arch).times(tile.pe.count)
    router = arch.chip.find(MeshRouter)
    if router is not None:
        total += Total(router[1].power, router[1].area).times(1 / router[1].tiles)
    return total


def chip_total(arch: Architecture) -> Total:
    """The whole chip."""
    tile = arch.chip.tile
    tiles = own_total(tile) + pe_total(arch).times(tile.pe.count)
    return own_total(arch.chip) + tiles.times(tile.count)


def arrays_per_chip(arch: Architecture) -> int:
    """Crossbar arrays, or bit-serial macros, in one chip."""
    tile = arch.chip.tile
    return tile.count * tile.pe.count * roles(tile.pe).array.count


def peak_tops(
    arch: Architecture, weight_bits: int | None = None, input_bits: int | None = None
) -> float:
    """Peak tera-operations per second of one chip, at its native precision or the one given."""
    return 1e-12 * peak_ops_per_second(
        arrays_per_chip(arch),
        roles(arch.chip.tile.pe),
        weight_bits or arch.precision.weight,
        input_bits or arch.precision.input,
    )
