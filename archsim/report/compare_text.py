"""A comparison as CSV, Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from archsim.adaptation.comparison_result import Comparison, ComparisonRow, Crossing
from archsim.report.compare_tables import all_tables
from archsim.tables.latex import to_latex
from archsim.tables.table import Column, Table, to_csv, to_markdown

_SIGNS = (
    (r"(?<=\d )u(?=[sJ]\b)", r"$\\mu$"),
    (r"(?<=\d) x(?= )", r"$\\times$"),
    (r"(?<=& )-(?=\d)", "$-$"),
)  # that plain text writes in ASCII


def as_csv(comparison: Comparison) -> str:
    """All figures in SI units, a row per method and platform; `reason` says what did not fit."""
    names = [name for name in ComparisonRow.model_fields if name != "overlap"]
    columns = [Column(name, name, _field(name)) for name in names]
    columns.append(Column("reason", "reason", _field("reason")))
    return to_csv(Table("", columns, [*comparison.rows, *comparison.unfit]))


def _field(name: str) -> Callable[[Any], Any]:
    """What a record has under a name; nothing for the figures of an unfit method."""
    return lambda record: getattr(record, name, "")


def break_even_csv(comparison: Comparison) -> str:
    """Every pair of rows, in energy and in time."""
    columns = [Column(name, name, attrgetter(name)) for name in Crossing.model_fields]
    return to_csv(Table("", columns, comparison.break_even))


def as_markdown(comparison: Comparison) -> str:
    """A page with all tables."""
    inputs = comparison.inputs
    head = f"# {comparison.name}\n\n{inputs.trace_name} on {inputs.arch_name}.\n"
    return "\n".join([head, *map(to_markdown, all_tables(comparison))])


def as_latex(comparison: Comparison) -> str:
    """All tables with booktabs rules, each as wide as the page where it has many columns."""
    return "\n".join(map(_latex, all_tables(comparison)))


def _latex(table: Table) -> str:
    text = to_latex(table).replace(
        "\\centering", "\\centering\n\\footnotesize\n\\setlength{\\tabcolsep}{4pt}", 1
    )
    for pattern, sign in _SIGNS:
        text = re.sub(pattern, sign, text)
    if len(table.shown) <= 5:
        return text
    return text.replace("\\begin{table}", "\\begin{table*}").replace(
        "\\end{table}", "\\end{table*}"
    )
