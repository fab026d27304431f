"""Tables on a terminal of any width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.tables.table import Column, Table

if TYPE_CHECKING:
    from rich.console import RenderableType

GAP = 2  # columns of white space between two columns of text


def render(table: Table, width: int) -> RenderableType:
    """The table with those columns that fit `width` characters; the others are named below it.

    Columns with a `fold` width break their text over lines before any column is dropped.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    cells = {column.name: [column.cell(r) for r in table.records] for column in table.shown}
    columns, dropped = _fitting(table.shown, cells, width)
    notes = [table.note] if table.note else []
    if named := [column.title for column in dropped if column.title]:
        notes.append(f"Left out for lack of width: {', '.join(named)}.")
    drawn = RichTable(
        title=Text(table.title, style="bold"),
        title_justify="left",
        caption=Text(" ".join(notes), style="dim") if notes else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, GAP - 1, 0, 0),  # the box itself has one character between columns
        show_edge=False,
        header_style="bold",
    )
    widths = _widths(columns, cells, width)
    for column in columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
            width=widths[column.name],
        )
    for index in range(len(table.records)):
        drawn.add_row(*(Text(cells[column.name][index]) for column in columns))
    return drawn


def _fitting(
    columns: list[Column], cells: dict[str, list[str]], width: int
) -> tuple[list[Column], list[Column]]:
    """The columns that fit, and those that do not; those of the highest rank go first."""
    kept, dropped = list(columns), []
    while sum(_least(c, cells[c.name]) + GAP for c in kept) > width:
        last = max(reversed(kept), key=lambda column: column.rank)
        if last.rank == 0:
            break
        kept.remove(last)
        dropped.append(last)
    return kept, [column for column in columns if column in dropped]


def _widths(columns: list[Column], cells: dict[str, list[str]], width: int) -> dict[str, int]:
    """The least width of each column; what is left goes to those that fold, from the left."""
    widths = {column.name: _least(column, cells[column.name]) for column in columns}
    spare = max(width - sum(widths.values()) - GAP * len(widths), 0)
    for column in columns:
        if column.fold:
            more = min(_natural(column, cells[column.name]) - widths[column.name], spare)
            widths[column.name] += more
            spare -= more
    return widths


def _least(column: Column, cells: list[str]) -> int:
    natural = _natural(column, cells)
    return min(natural, column.fold) if column.fold else natural


def _natural(column: Column, cells: list[str]) -> int:
    from rich.cells import cell_len

    return max([cell_len(column.title), *map(cell_len, cells), 1])
