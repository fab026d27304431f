"""Running experiments: every figure, and again at half and double of every assumption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import archsim
from archsim.errors import InputError
from archsim.reproduce.assumptions import Value
from archsim.reproduce.bench import Bench
from archsim.reproduce.curves import label
from archsim.reproduce.experiment import Assumption, Curve, Figure
from archsim.reproduce.load import Experiment, sensitivity_values
from archsim.reproduce.result import (
    AssumptionResult,
    AxisResult,
    CurveResult,
    ExperimentResult,
    FigureResult,
    SensitivityResult,
)
from archsim.reproduce.store import Store

Progress = Callable[[str, int, int], None]  # (what is done, how many are, how many there are)


def run_experiment(
    experiment: Experiment,
    *,
    cache: Path | None = None,
    sensitivity: bool = True,
    progress: Progress | None = None,
) -> ExperimentResult:
    """Work out all figures and curves of an experiment.

    cache: a folder that keeps values, so that nothing is simulated twice; progress: told each
    step. Raises InputError if a chip or model is unfit as it is stated; a value of a sensitivity
    or a point of a curve that is unfit is left out.
    """
    report = progress or (lambda step, done, total: None)
    bench = Bench(experiment, Store(cache))
    wanted = [figure for figure in experiment.file.figures if figure.measure is not None]
    assumptions = experiment.file.assumptions if sensitivity else []
    curves = experiment.file.curves
    total, done = len(wanted) + len(curves) + 2 * len(assumptions), 0
    values: dict[str, float] = {}
    for figure in wanted:
        report(figure.name, done, total)
        assert figure.measure is not None
        values[figure.measure] = bench.value(figure.measure)
        done += 1
    drawn: list[CurveResult] = []
    for curve in curves:
        report(f"curve: {curve.name}", done, total)
        drawn.append(curve_result(bench, curve))
        done += 1
    rows: list[SensitivityResult] = []
    for assumption in assumptions:
        report(f"sensitivity: {assumption.name}", done, total)
        rows += _sensitivity(experiment, bench, cache, assumption, values)
        done += 2
    report("done", total, total)
    used = {row.assumption for row in rows}
    return ExperimentResult(
        system=experiment.system,
        title=experiment.file.title,
        paper=experiment.file.paper,
        learnt=" ".join(experiment.file.learnt.split()),
        archsim=archsim.__version__,
        figures=[figure_result(figure, values) for figure in experiment.file.figures],
        curves=drawn,
        sensitivity=rows,
        assumptions=[
            AssumptionResult(
                name=each.name,
                value=_shown(each, each.value),
                source=each.source,
                calibrated=each.calibrated,
                used=not sensitivity or each.name in used,
            )
            for each in experiment.file.assumptions
        ],
    )


def figure_result(figure: Figure, values: dict[str, float]) -> FigureResult:
    """A figure with the value of its measure, where there is one."""
    published = figure.published
    low, high = published if isinstance(published, tuple) else (published, None)
    return FigureResult(
        name=figure.name,
        unit=figure.unit,
        published=low,
        published_high=high,
        simulated=values.get(figure.measure or ""),
        how=figure.how,
        source=figure.source,
        band=figure.band,
        why_not=figure.why_not,
        measure=figure.measure,
        calibrated=figure.calibrated,
    )


def curve_result(bench: Bench, curve: Curve) -> CurveResult:
    """A curve with its value at every combination of its axes; InputError if none has one."""
    values: list[float | None] = []
    faults: list[InputError] = []
    for _, other in bench.points(curve.name):
        try:
            values.append(other.value(curve.measure))
        except InputError as fault:
            values.append(None)
            faults.append(fault)
    if len(faults) == len(values):
        raise faults[0]
    return CurveResult(
        name=curve.name,
        unit=curve.unit,
        measure=curve.measure,
        axes=[
            AxisResult(
                name=axis.name,
                unit=axis.unit,
                values=axis.values,
                labels=[label(value) for value in axis.values],
            )
            for axis in curve.axes
        ],
        values=values,
        published=curve.published,
        source=curve.source,
    )


def _sensitivity(
    experiment: Experiment,
    bench: Bench,
    cache: Path | None,
    assumption: Assumption,
    values: dict[str, float],
) -> list[SensitivityResult]:
    low, high = sensitivity_values(assumption)
    ends = [_variant(experiment, bench, cache, assumption, value) for value in (low, high)]
    rows = []
    for figure in experiment.file.figures:
        if figure.measure is None:
            continue
        found = [_changed(bench, other, figure.measure) for other in ends]
        if found == [None, None]:
            continue  # the figure does not depend on it
        below, above = (
            values[figure.measure] if other == "same" else other
            for other in (item if item is not None else "same" for item in found)
        )
        if below == above == values[figure.measure]:
            continue
        rows.append(
            SensitivityResult(
                assumption=assumption.name,
                figure=figure.name,
                unit=figure.unit,
                low_value=_shown(assumption, low),
                value=_shown(assumption, assumption.value),
                high_value=_shown(assumption, high),
                low=below if isinstance(below, float) else None,
                stated=values[figure.measure],
                high=above if isinstance(above, float) else None,
            )
        )
    return rows


def _variant(
    experiment: Experiment, bench: Bench, cache: Path | None, assumption: Assumption, value: Value
) -> Bench | None:
    """A bench with another value; None if the experiment does not take it."""
    try:
        return Bench(experiment.with_value(assumption, value), Store(cache), bench)
    except InputError:
        return None


def _changed(bench: Bench, other: Bench | None, measure: str) -> float | str | None:
    """The value of a measure in a variant: None if it is the same, 'unfit' if there is none."""
    if other is None:
        return "unfit"
    try:
        if other.key(measure) == bench.key(measure):
            return None
        return other.value(measure)
    except InputError:
        return "unfit"


def _shown(assumption: Assumption, value: Value) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{text} {assumption.unit}".strip()
