"""An architecture as a tree of levels and parts with power and area, and its totals."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.arch.totals import (
    Total,
    arrays_per_chip,
    chip_total,
    pe_total,
    peak_tops,
    tile_total,
)
from archsim.schema.units import format_quantity
from archsim.tables import figures
from archsim.tables.table import Column, Table

KIND = attrgetter("kind")  # every component class has it, their base does not


@dataclass(frozen=True)
class Part:
    """A level or a component; power and area of one, `number` in one chip."""

    path: str
    kind: str
    count: int
    number: int
    power: float
    area: float

    @property
    def chip_power(self) -> float:
        return self.number * self.power

    @property
    def chip_area(self) -> float:
        return self.number * self.area


@dataclass(frozen=True)
class Sum:
    """Arrays, watts, mm2 and peak TOPS of one unit of a level."""

    unit: str
    arrays: int
    total: Total
    peak: float


def parts(arch: Architecture) -> list[Part]:
    """Levels and components in the order of the tree."""
    whole = {
        "chip": chip_total(arch),
        "chip.tile": tile_total(arch),
        "chip.tile.pe": pe_total(arch),
    }
    found = []
    for path, (level, number) in arch.levels().items():
        total = whole[path]
        found.append(Part(path, "level", level.count, number, total.power, total.area))
        found += [
            Part(
                f"{path}.{name}", KIND(part), part.count, number * part.count, part.power, part.area
            )
            for name, part in level.parts.items()
        ]
    return found


def sums(arch: Architecture) -> list[Sum]:
    """One PE, one tile, one chip."""
    pe_arrays = roles(arch.chip.tile.pe).array.count
    chip_arrays, peak = arrays_per_chip(arch), peak_tops(arch)
    return [
        Sum(unit, arrays, total, peak * arrays / chip_arrays)
        for unit, arrays, total in (
            ("PE", pe_arrays, pe_total(arch)),
            ("tile", pe_arrays * arch.chip.tile.pe.count, tile_total(arch)),
            ("chip", chip_arrays, chip_total(arch)),
        )
    ]


def tree_table(arch: Architecture) -> Table:
    """One row per level and component, indented by level."""
    columns = (
        Column("path", "part", attrgetter("path"), _indented, fold=16),
        Column("kind", "kind", attrgetter("kind"), rank=4, fold=10),
        Column("count", "count", attrgetter("count"), figures.count, right=True),
        Column("number", "in the chip", attrgetter("number"), figures.count, right=True, rank=2),
        Column("power_w", "power of one", attrgetter("power"), figures.watts, right=True),
        Column("area_mm2", "area of one", attrgetter("area"), figures.area, right=True, rank=1),
        Column(
            "chip_power_w", "in all", attrgetter("chip_power"), figures.watts, right=True, rank=3
        ),
        Column(
            "chip_area_mm2", "in all", attrgetter("chip_area"), figures.area, right=True, rank=3
        ),
    )
    title = f"{arch.name}: {format_quantity(arch.technology, 'm')}, "
    title += f"{format_quantity(arch.clock, 'Hz')}"
    note = "A tile counts its share of the routers; a chip counts whole routers."
    return Table(title, columns, parts(arch), note)


def sum_table(arch: Architecture) -> Table:
    """Totals of one PE, tile and chip."""
    columns = (
        Column("unit", "one", attrgetter("unit")),
        Column("arrays", "arrays", attrgetter("arrays"), figures.count, right=True),
        Column("power_w", "power", attrgetter("total.power"), figures.watts, right=True),
        Column("area_mm2", "area", attrgetter("total.area"), figures.area, right=True),
        Column("peak_tops", "peak", attrgetter("peak"), figures.tops, right=True, rank=1),
    )
    precision = arch.precision
    note = f"Peak at {precision.weight}-bit weights and {precision.input}-bit inputs; "
    note += "power at full activity."
    return Table("Totals", columns, sums(arch), note)


def _indented(path: str) -> str:
    name = path.rsplit(".", 1)[-1]
    return "  " * path.count(".") + name
