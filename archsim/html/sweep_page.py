"""The page of a sweep: Pareto front, parallel coordinates, and the table of points."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from archsim.html.page import Section, page
from archsim.html.tables import html_table
from archsim.schema.units import format_quantity
from archsim.tables import figures
from archsim.tables.table import Column, Table

Row = dict[str, Any]
UNITS = {
    "inf_per_s": "inf/s", "tops_per_w": "TOPS/W", "tops": "TOPS", "tops_run": "TOPS",
    "_s": "s", "_j": "J", "_w": "W", "_mm2": "mm2",
}  # fmt: skip
MORE_IS_BETTER = ("throughput", "tops", "peak", "utilisation")
BOOKKEEPING = ("index", "status", "reason", "tick_s", "ticks", "services", "events", "digest")
FIRST_FIGURES = ("energy_j", "latency_s", "area_mm2", "tops_per_w", "throughput_inf_per_s")
MOST_ROWS = 1000  # of the table; the plots show all points
MOST_AXES = 10
FEW = 2000  # points; of more, the plots get 4 digits, to keep the page small
_QUANTITY = re.compile(r"\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([^0-9\s]*)\s*")


def sweep_page(name: str, rows: Sequence[Row]) -> str:
    """The page of a sweep's rows (`archsim.sweep.results.load_rows`); `name` heads it."""
    status = Counter(str(row["status"]) for row in rows)
    done = [row for row in rows if row["status"] == "ok"]
    settings, varying, same = _columns(rows, done)
    shown = [c for c in varying if c in FIRST_FIGURES] or varying[:3]
    data = [_column(c, done) for c in settings] + [_column(c, done) for c in varying]
    plain = [c["name"] for c in data if "labels" not in c]
    first = [c for c in FIRST_FIGURES if c in plain] + plain
    sections = []
    if len(first) > 1:
        sections += [
            Section("front", "Pareto front", _SCATTER, "Points that no other beats in both."),
            Section("parallel-section", "All settings and figures", _PARALLEL, _PARALLEL_NOTE),
        ]
    table = _table(name, settings, shown, done)
    note = f"The first {MOST_ROWS} of {len(done)} points." if len(done) > MOST_ROWS else ""
    sections.append(Section("points", "Points", html_table(table, "point-table", tall=True), note))
    if bad := [row for row in rows if row["status"] != "ok"]:
        sections.append(Section("others", "Points without a result", _others(settings, bad)))
    return page(
        f"Sweep: {name}",
        "; ".join(f"{column} {text}" for column, text in same[:8]),
        sections,
        cards=[
            ("points", figures.count(len(rows))),
            *((text, figures.count(number)) for text, number in sorted(status.items())),
            *_best(done),
        ],
        data={
            "points": [row["index"] for row in done],
            "columns": data,
            "first": {"x": first[1], "y": first[0]} if len(first) > 1 else None,
            "axes": [*settings, *shown][:MOST_AXES],
        },
        scripts=["sweep.js"] if len(first) > 1 else [],
        origin=f"{len(rows)} points of the sweep {name}.",
    )


def _columns(
    rows: Sequence[Row], done: Sequence[Row]
) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Settings and figures that differ between points, and what is the same in all of them."""
    names = list(rows[0]) if rows else []
    cut = names.index("status") if "status" in names else 0
    varying, same = [], []
    for name in names:
        values = {row[name] for row in done if row[name] is not None}
        if name in BOOKKEEPING or not values:
            continue
        if len(values) > 1:
            varying.append(name)
        elif names.index(name) < cut:
            same.append((name, str(next(iter(values)))))
    settings = [name for name in varying if names.index(name) < cut]
    return settings, [n for n in varying if n not in settings and _numeric(n, done)], same


def _numeric(name: str, done: Sequence[Row]) -> bool:
    return all(
        row[name] is None
        or (isinstance(row[name], int | float) and not isinstance(row[name], bool))
        for row in done
    )


def _unit(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def _column(name: str, done: Sequence[Row]) -> dict[str, Any]:
    """A column as the scripts take it: numbers with a unit, or numbers of labels."""
    values = [row[name] for row in done]
    if _numeric(name, done):
        digits = 6 if len(values) <= FEW else 4
        short = [None if v is None else float(f"{v:.{digits}g}") for v in values]
        more = any(word in name for word in MORE_IS_BETTER)
        return {"name": name, "unit": _unit(name), "more": more, "values": short}
    found = [_QUANTITY.fullmatch(str(value)) for value in values]
    units = {match.group(2) if match else None for match in found}
    if len(units) == 1 and None not in units:
        numbers = [float(match.group(1)) for match in found if match]
        return {"name": name, "unit": units.pop(), "more": False, "values": numbers}
    labels = list(dict.fromkeys(str(value) for value in values))
    return {
        "name": name,
        "unit": "",
        "more": False,
        "values": [labels.index(str(value)) for value in values],
        "labels": labels,
    }


def _text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    unit = _unit(name)
    return (
        format_quantity(value, unit) if unit in ("s", "J", "W") else f"{value:.4g} {unit}".strip()
    )


def _table(name: str, settings: Sequence[str], shown: Sequence[str], done: Sequence[Row]) -> Table:
    columns = [Column("index", "point", lambda row: row["index"], right=True)]
    for key in (*settings, *shown):
        columns.append(
            Column(
                key,
                key,
                lambda row, key=key: row[key],  # type: ignore[misc]
                lambda value, key=key: _text(key, value),  # type: ignore[misc]
                right=key in shown,
            )
        )
    return Table(f"Points of {name}", columns, done[:MOST_ROWS])


def _others(settings: Sequence[str], bad: Sequence[Row]) -> str:
    columns = [
        Column("index", "point", lambda row: row["index"], right=True),
        Column("status", "status", lambda row: row["status"]),
        *(Column(k, k, lambda row, k=k: row[k], str) for k in settings),  # type: ignore[misc]
        Column("reason", "reason", lambda row: row["reason"] or ""),
    ]
    return html_table(Table("Points without a result", columns, bad[:MOST_ROWS]), "others-table")


def _best(done: Sequence[Row]) -> list[tuple[str, str]]:
    cards = []
    for name in ("energy_j", "latency_s", "tops_per_w"):
        values = [row[name] for row in done if isinstance(row.get(name), int | float)]
        if values:
            best = max(values) if name == "tops_per_w" else min(values)
            cards.append((f"best {name}", _text(name, best)))
    return cards


_SCATTER = (
    '<div class="tools"><label>x <select id="pick-x"></select></label>'
    '<label>y <select id="pick-y"></select></label>'
    '<label><input type="checkbox" id="pick-log"> logarithmic</label>'
    '<span id="scatter-count" class="soft" role="status"></span></div><div id="scatter"></div>'
)
_PARALLEL = (
    '<div class="tools"><label>Keep <select id="range-name"></select></label>'
    '<label>from <input type="number" step="any" id="range-low"></label>'
    '<label>to <input type="number" step="any" id="range-high"></label>'
    '<button type="button" id="range-clear">Show all</button></div>'
    '<div class="scroll" tabindex="0" role="region" aria-label="Parallel coordinates">'
    '<div id="parallel"></div></div>'
)
_PARALLEL_NOTE = "Drag along an axis, or fill in the fields, to keep a range; a click clears it."
