"""The numbers of an architecture with their sources, and the list of references."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from archsim.arch.model import Architecture
from archsim.arch.sources import sources
from archsim.report.field_units import text_at
from archsim.tables.table import Column, Table


@dataclass(frozen=True)
class Row:
    """A number at its place: `value` in SI units (bits for sizes), `text` for people."""

    path: str
    value: Any
    text: str
    source: str
    assumed: bool
    origin: str


def source_rows(arch: Architecture) -> list[Row]:
    """Every number that the file states."""
    return [
        Row(
            found.path,
            found.value,
            text_at(arch, found.path),
            found.source,
            found.assumed,
            found.origin,
        )
        for found in sources(arch)
    ]


def source_table(arch: Architecture, rows: list[Row], *, only_assumptions: bool = False) -> Table:
    """The rows as a table; assumptions bear a mark and are counted below."""
    assumed = sum(row.assumed for row in rows)
    columns = (
        Column("path", "path", attrgetter("path"), fold=20),
        Column("value", "value", attrgetter("value"), shown=False),
        Column("text", "value", attrgetter("text"), right=True),
        Column("assumed", "", attrgetter("assumed"), lambda yes: "!" if yes else ""),
        Column("origin", "origin", attrgetter("origin"), rank=1),
        Column("source", "source", attrgetter("source"), fold=16),
    )
    return Table(
        f"Assumptions of {arch.name}" if only_assumptions else f"Numbers of {arch.name}",
        columns,
        [row for row in rows if row.assumed or not only_assumptions],
        f"{assumed} of {len(rows)} numbers are assumptions, marked '!'.",
    )


def reference_table(arch: Architecture) -> Table:
    """The works that the sources name, with their full citations."""
    columns = (
        Column("name", "name", itemgetter(0)),
        Column("citation", "citation", itemgetter(1), fold=20),
    )
    return Table("References", columns, list(arch.references.items()))
