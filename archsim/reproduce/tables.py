"""Tables of reproductions: the list of systems, the figures of one, the sensitivities."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from archsim.reproduce.last import Listed
from archsim.reproduce.result import (
    CurveResult,
    ExperimentResult,
    FigureResult,
    SensitivityResult,
)
from archsim.schema.units import format_quantity
from archsim.tables.table import Column, Table

NOTE = (
    "agrees, deviates: within the figure's band of the published one or not; calibrated: a value "
    "was chosen for it; compared: the paper's "
    "information allows no band; predicted: nothing is published."
)


def quantity(value: float | None, unit: str) -> str:
    """A figure as people read it: `3.15 %` for a share, `1.2 mJ`, `4.1 x`."""
    if value is None:
        return "-"
    if unit == "%":
        return f"{100 * value:.3g} %"
    if unit in ("J", "s"):
        return format_quantity(value, unit)
    if abs(value) >= 1000 and float(value).is_integer():
        return f"{value:,.0f} {unit}".strip()
    return f"{value:.4g} {unit}".strip()


def published(figure: FigureResult) -> str:
    """The published figure, or both ends of its range."""
    if figure.published_high is None:
        return quantity(figure.published, figure.unit)
    low, high = figure.published, figure.published_high
    return f"{quantity(low, figure.unit)} to {quantity(high, figure.unit)}"


def systems_table(listed: Sequence[Listed]) -> Table:
    """Every system with how many of its figures can be compared and what its last run gave."""
    return Table(
        "Experiments",
        (
            Column("system", "system", attrgetter("system")),
            Column("title", "what is reproduced", attrgetter("title"), fold=30),
            Column("figures", "figures", attrgetter("figures"), right=True),
            Column("published", "published", attrgetter("published"), right=True),
            Column("not_reproduced", "quoted only", attrgetter("quoted"), right=True),
            Column("state", "last run", attrgetter("state"), fold=16),
            Column("paper", "paper", attrgetter("paper"), rank=1, fold=24),
        ),
        listed,
        "archsim reproduce SYSTEM runs one, archsim reproduce all runs all of them.",
    )


def figures_table(results: Sequence[ExperimentResult]) -> Table:
    """Published and simulated figures side by side, with how each was obtained."""
    rows = [(result, figure) for result in results for figure in result.figures]
    single = len(results) == 1

    def of(name: str) -> Column:
        return Column(name, name.replace("_", " "), lambda row: getattr(row[1], name))

    return Table(
        results[0].title if single else "Published and simulated figures",
        (
            Column("system", "system", lambda row: row[0].system, shown=not single),
            Column("figure", "figure", lambda row: row[1].name, fold=24),
            Column("published_text", "published", lambda row: published(row[1]), right=True,
                   data=False),
            Column("published", "published", lambda row: row[1].published, shown=False),
            Column("published_high", "published to", lambda row: row[1].published_high,
                   shown=False),
            Column("simulated_text", "archsim",
                   lambda row: quantity(row[1].simulated, row[1].unit), right=True, data=False),
            Column("simulated", "archsim", lambda row: row[1].simulated, shown=False),
            Column("unit", "unit", lambda row: row[1].unit, shown=False),
            Column("ratio", "ratio", lambda row: row[1].ratio,
                   lambda value: "-" if value is None else f"{value:.3g}", right=True),
            of("how"),
            of("state"),
            Column("why_not", "why not closer", lambda row: row[1].why_not, rank=1, fold=24),
            Column("source", "source", lambda row: row[1].source, rank=2, fold=24),
        ),
        rows,
        NOTE,
    )  # fmt: skip


def curve_table(curve: CurveResult, system: str = "") -> Table:
    """A curve: a row per panel and line, a column per value of x.

    system: put before its name, where tables of several stand together.
    """
    names = [axis.name for axis in curve.axes[:-1]]
    x = curve.x

    def name_of(number: int, name: str) -> Column:
        return Column(name, name, lambda line: line[0][number])

    def value_at(number: int) -> Column:
        text = f"{x.labels[number]} {x.unit}".strip()
        return Column(f"{x.name}={x.labels[number]}", text, lambda line: line[1][number],
                      lambda value: quantity(value, curve.unit), right=True)  # fmt: skip

    level = ""
    if curve.published is not None:
        level = f" Published: {quantity(curve.published, curve.unit)} ({curve.source})."
    return Table(
        f"{system}: {curve.name}" if system else curve.name,
        (
            *(name_of(number, name) for number, name in enumerate(names)),
            *(value_at(number) for number in range(len(x.values))),
        ),
        curve.lines,
        f"Columns: {x.name}.{level}",
    )


def sensitivity_table(results: Sequence[ExperimentResult]) -> Table:
    """Each figure at the low, the stated and the high value of each assumption."""
    rows = [(result, row) for result in results for row in result.sensitivity]
    single = len(results) == 1

    def shown(name: str) -> Column:
        def cell(row: tuple[ExperimentResult, SensitivityResult]) -> str:
            value = getattr(row[1], name)
            return "unfit" if value is None else quantity(value, row[1].unit)

        title = {"low": "at low", "stated": "as stated", "high": "at high"}[name]
        return Column(f"{name}_text", title, cell, right=True, data=False)

    def raw(name: str, title: str, visible: bool = True) -> Column:
        return Column(name, title, lambda row: getattr(row[1], name), shown=visible)

    return Table(
        "Sensitivity to what is assumed" + (f", {results[0].system}" if single else ""),
        (
            Column("system", "system", lambda row: row[0].system, shown=not single),
            Column("assumption", "assumption", lambda row: row[1].assumption, fold=20),
            raw("low_value", "low"),
            raw("value", "stated"),
            raw("high_value", "high"),
            Column("figure", "figure", lambda row: row[1].figure, fold=24),
            shown("low"),
            shown("stated"),
            shown("high"),
            raw("low", "at low", False),
            raw("stated", "as stated", False),
            raw("high", "at high", False),
        ),
        rows,
    )


def assumptions_table(results: Sequence[ExperimentResult]) -> Table:
    """What is assumed, with its source."""
    rows = [(result, each) for result in results for each in result.assumptions]
    return Table(
        "Assumed values",
        (
            Column("system", "system", lambda row: row[0].system, shown=len(results) > 1),
            Column("assumption", "assumption", lambda row: row[1].name, fold=20),
            Column("value", "value", lambda row: row[1].value, right=True),
            Column("calibrated", "calibrated", lambda row: row[1].calibrated,
                   lambda value: "yes" if value else ""),
            Column("source", "source", lambda row: row[1].source, fold=30),
        ),
        rows,
    )  # fmt: skip
