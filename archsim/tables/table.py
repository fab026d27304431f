"""A table: columns that know how to read and write their figure, over records of any kind."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what begins a formula in a spreadsheet


@dataclass(frozen=True)
class Column:
    """One column. `name` heads it in CSV and JSON (with its unit), `title` where people read.

    value: the raw figure of a record; text: that figure for people; right: aligned right;
    rank: columns of the highest rank go first when a terminal is narrow, 0 stays always;
    fold: narrowest width that the text may be folded to, 0 for never; data: whether CSV and JSON
    have the column; shown: whether the terminal and Markdown have it.
    """

    name: str
    title: str
    value: Callable[[Any], Any]
    text: Callable[[Any], str] = str
    right: bool = False
    rank: int = 0
    fold: int = 0
    data: bool = True
    shown: bool = True

    def cell(self, record: Any) -> str:
        """What people read, on one line and without control characters."""
        return printable(self.text(self.value(record)))


@dataclass(frozen=True)
class Table:
    """A title, columns and the records they read; `note` stands below."""

    title: str
    columns: Sequence[Column]
    records: Sequence[Any]
    note: str = ""

    @property
    def shown(self) -> list[Column]:
        """Columns for people."""
        return [column for column in self.columns if column.shown]


def printable(text: str) -> str:
    """Text from an input file that cannot move a terminal's cursor or change its colours."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def rows(table: Table) -> list[dict[str, Any]]:
    """Raw figures by column name, one dict per record, for JSON."""
    data = [column for column in table.columns if column.data]
    return [{column.name: column.value(record) for column in data} for record in table.records]


def to_csv(table: Table) -> str:
    """Raw figures in SI units as CSV with a header line."""
    buffer = io.StringIO()
    names = [column.name for column in table.columns if column.data]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({n: as_cell(v) for n, v in row.items()} for row in rows(table))
    return buffer.getvalue()


def as_cell(value: Any) -> Any:
    """A value as a CSV cell: behind a quote where a spreadsheet would read text as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def to_markdown(table: Table) -> str:
    """The table for people as a Markdown section."""
    columns = table.shown
    lines = [
        f"## {_escaped(table.title)}",
        "",
        _line(column.title for column in columns),
        _line("---:" if column.right else "---" for column in columns),
        *(_line(_escaped(c.cell(record)) for c in columns) for record in table.records),
    ]
    if table.note:
        lines += ["", _escaped(table.note)]
    return "\n".join(lines) + "\n"


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    for mark in "\\|*_<[`":
        text = text.replace(mark, f"\\{mark}")
    return text
