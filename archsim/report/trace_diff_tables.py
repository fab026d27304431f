"""The differences of two traces as tables."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from archsim.tables import figures
from archsim.tables.table import Column, Table
from archsim.trace.difference import Difference, FieldDifference, ValueDifference

COUNTS = ("macs", "parameters", "biases")


def field_table(difference: Difference) -> Table:
    """Layers that are added, removed or changed, one line per field."""

    def text(which: str) -> Callable[[FieldDifference], str]:
        return lambda record: _text(record.field, getattr(record, which))

    columns = (
        Column("layer", "layer", attrgetter("layer"), lambda name: name or "(trace)", fold=14),
        Column("field", "field", attrgetter("field")),
        Column("first", "first", attrgetter("first"), data=True, shown=False),
        Column("second", "second", attrgetter("second"), data=True, shown=False),
        Column("first_text", "first", text("first"), data=False, fold=12),
        Column("second_text", "second", text("second"), data=False, fold=12),
    )
    return Table("Layers", columns, difference.fields)


def value_table(difference: Difference) -> Table:
    """Tensors whose statistics differ."""

    def of(name: str, which: int) -> Callable[[ValueDifference], float | None]:
        def figure(record: ValueDifference) -> float | None:
            pair: tuple[float | None, float | None] = getattr(record, name)
            return pair[which]

        return figure

    columns = (
        Column("layer", "layer", attrgetter("layer"), fold=14),
        Column("tensor", "tensor", attrgetter("tensor")),
        Column("first_zero_share", "zeros", of("zero_share", 0), _share, right=True),
        Column("second_zero_share", "second", of("zero_share", 1), _share, right=True),
        Column("first_one_density", "ones", of("one_density", 0), _share, right=True, rank=1),
        Column("second_one_density", "second", of("one_density", 1), _share, right=True, rank=1),
        Column("distance", "distance", attrgetter("distance"), _distance, right=True),
    )
    return Table(
        "Values",
        columns,
        difference.values,
        "distance: total variation of the histograms, 0 for equal ones, 1 for disjoint ones.",
    )


def _text(field: str, value: Any) -> str:
    if value is None:
        return "-"
    if field == "layer":
        return "present"
    if field in COUNTS:
        return figures.count(value)
    if field == "output":
        return figures.shape(value)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _share(value: float | None) -> str:
    return "-" if value is None else figures.percent(value)


def _distance(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
