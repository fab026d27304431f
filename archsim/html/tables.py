"""Tables of archsim.report as HTML that sorts and filters, with bars where wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from archsim.tables.table import Column, Table

Bars = Callable[[Any], Sequence[float]]


def html_table(table: Table, ident: str, *, bars: Bars | None = None, tall: bool = False) -> str:
    """A table with a field that filters its rows; a click on a heading sorts.

    bars: for a record, shares of the width of a second column, drawn one behind the other; tall:
    the table scrolls by itself, below a heading that stays.
    """
    columns = [column for column in table.shown if column.data]
    heads = _heads(columns, bars, '<button type="button">', "</button>")
    rows = "".join(_row(columns, record, bars) for record in table.records)
    label = escape(table.title)
    return (
        f'<div class="tools"><label>Filter <input type="search" data-filters="{ident}" '
        f'placeholder="words"></label><span id="{ident}-count" class="soft" role="status">'
        f"{len(table.records)} rows</span></div>"
        f'<div class="scroll{" tall" if tall else ""}" tabindex="0" role="region" '
        f'aria-label="{label}"><table id="{ident}" class="sortable"><thead><tr>{heads}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def plain_table(table: Table, bars: Bars | None = None) -> str:
    """A short table that stays as it is."""
    columns = [column for column in table.shown if column.data]
    heads = _heads(columns, bars)
    rows = "".join(_row(columns, record, bars) for record in table.records)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        f"<table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _heads(columns: Sequence[Column], bars: Bars | None, before: str = "", after: str = "") -> str:
    cells = [f"<th{_right(c)}>{before}{escape(c.title)}{after}</th>" for c in columns]
    return "".join([*cells[:1], *(["<th></th>"] if bars else []), *cells[1:]])


def _row(columns: Sequence[Column], record: Any, bars: Bars | None) -> str:
    cells = [
        f"<td{_right(column)}{_sorted_by(column.value(record))}>{escape(column.cell(record))}</td>"
        for column in columns
    ]
    if bars is not None:
        drawn = "".join(
            f'<span class="{"second" if index else "first"}" '
            f'style="width:{100 * max(share, 0.0):.2f}%"></span>'
            for index, share in enumerate(bars(record))
        )
        cells.insert(1, f'<td class="meter" aria-hidden="true">{drawn}</td>')
    return f"<tr>{''.join(cells)}</tr>\n"


def _right(column: Column) -> str:
    return ' class="right"' if column.right else ""


def _sorted_by(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f' data-v="{value!r}"' if number else ""
