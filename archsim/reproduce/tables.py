"""Tables of reproductions: the list of systems, the figures of one, the sensitivities."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from archsim.report.table import Column, Table
from archsim.reproduce.load import Experiment
from archsim.reproduce.result import ExperimentResult, FigureResult, SensitivityResult
from archsim.units import format_quantity

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


def systems_table(experiments: Sequence[Experiment]) -> Table:
    """Every system with what is compared and how many of its figures can be."""
    return Table(
        "Experiments",
        (
            Column("system", "system", attrgetter("system")),
            Column("title", "what is reproduced", attrgetter("file.title"), fold=30),
            Column("figures", "figures", lambda e: len(e.file.figures), right=True),
            Column("published", "published", lambda e: _count(e, True), right=True),
            Column("not_reproduced", "quoted only", lambda e: _count(e, False), right=True),
            Column("paper", "paper", attrgetter("file.paper"), rank=1, fold=24),
        ),
        experiments,
        "archsim reproduce SYSTEM runs one, archsim reproduce all runs all of them.",
    )


def _count(experiment: Experiment, reproduced: bool) -> int:
    return sum(
        figure.published is not None and (figure.measure is not None) is reproduced
        for figure in experiment.file.figures
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
        "Sensitivity to what is assumed",
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
