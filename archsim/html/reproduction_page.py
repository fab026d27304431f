"""The page of a reproduction: published figures beside those that archsim gets."""

from __future__ import annotations

from operator import attrgetter

from archsim.html.page import Section, page
from archsim.html.tables import html_table
from archsim.report.views import Reproduction
from archsim.tables import figures
from archsim.tables.table import Column, Table


def reproduction_page(reproduction: Reproduction) -> str:
    """A table that sorts and filters, with a bar for each deviation."""
    rows = reproduction.rows
    largest = max((abs(row.deviation) for row in rows if row.published), default=0.0) or 1.0
    columns = (
        Column("quantity", "quantity", attrgetter("quantity")),
        Column("deviation", "deviation", attrgetter("deviation"), _signed, right=True),
        Column("published", "published", attrgetter("published"), _short, right=True),
        Column("simulated", "simulated", attrgetter("simulated"), _short, right=True),
        Column("unit", "unit", attrgetter("unit")),
        Column("source", "source", attrgetter("source")),
    )
    table = html_table(
        Table("Published and simulated", columns, rows),
        "reproduction-table",
        bars=lambda row: (min(abs(row.deviation) / largest, 1.0),),
    )
    within = sum(abs(row.deviation) <= 0.1 for row in rows)
    return page(
        f"Reproduction: {reproduction.name}",
        f"{len(rows)} published figures",
        [
            Section(
                "figures",
                "Published and simulated",
                table,
                "Bars show the size of the deviation, whatever its sign.",
            )
        ],
        cards=[
            ("figures", figures.count(len(rows))),
            ("within 10 %", f"{within} of {len(rows)}"),
            ("largest deviation", figures.percent(max(abs(row.deviation) for row in rows))),
        ],
        data={},
        scripts=[],
        origin=f"{len(rows)} figures of the reproduction {reproduction.name}.",
    )


def _signed(value: float) -> str:
    return f"{100 * value:+.1f} %"


def _short(value: float) -> str:
    return f"{value:.4g}"
