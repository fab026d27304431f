"""The experiments that come with archsim: all load, and what can agree with its paper does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import archsim.engine
from archsim.engine.activity import Activity
from archsim.program import Program
from archsim.reproduce.bench import Bench
from archsim.reproduce.load import Experiment, load_experiment, systems
from archsim.reproduce.run import figure_result, run_experiment
from archsim.reproduce.tables import published

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reproductions.md"
SYSTEMS = systems()
CHEAP = (
    "adapted",
    "chip",
    "formula",
    "gpu_inference",
    "gpu_peak",
    "parameters",
    "training",
    "training_memory",
)


def test_all_systems_are_there() -> None:
    assert set(SYSTEMS) >= {
        "ahwa-lora", "da3", "fp-smr", "halora", "hirise", "lorafusion", "mobiletl", "pruning",
        "reboc", "rep-net", "sas-mram-cl", "xbm", "xma", "xma2", "xst",
    }  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_derived_and_cheap_figures_agree_or_say_why_not(system: str) -> None:
    experiment = load_experiment(system)
    bench = Bench(experiment)
    for figure in experiment.file.figures:
        if figure.band is None or figure.published is None or figure.measure is None:
            continue
        if figure.how != "derived" and not kinds(experiment, figure.measure) <= set(CHEAP):
            continue
        found = figure_result(figure, {figure.measure: bench.value(figure.measure)})
        assert found.ratio is not None
        assert abs(found.ratio - 1) <= figure.band or figure.why_not, figure.name
        assert figure.how != "derived" or abs(found.ratio - 1) <= figure.band, figure.name


def kinds(experiment: Experiment, name: str) -> set[str]:
    """Kinds of a measure and of all that it needs."""
    measure = experiment.measures[name]
    needed = set(measure.reads())
    if isinstance(curve := getattr(measure, "curve", None), str):
        needed.add(experiment.curve(curve).measure)
    return {measure.kind}.union(*(kinds(experiment, other) for other in needed))  # type: ignore[attr-defined]


@pytest.mark.parametrize("system", SYSTEMS)
def test_both_engines_agree_on_the_reduced_experiment(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, programs = archsim.engine.run_program, []

    def both(program: Program, engine: str = "fast", *args: Any, **options: Any) -> Activity:
        activity = fast(program, "fast", *args, **options)
        assert fast(program, "reference").digest() == activity.digest()
        programs.append(program)
        return activity

    monkeypatch.setattr(archsim.engine, "run_program", both)
    experiment = load_experiment(system).reduced()
    result = run_experiment(experiment, sensitivity=False)
    assert all(figure.simulated is not None or figure.how == "quoted" for figure in result.figures)
    assert all(any(v is not None for v in curve.values) for curve in result.curves)
    simulated = any(
        measure.kind in ("inference", "switch")  # type: ignore[attr-defined]
        or str(getattr(measure, "of", "")).startswith("chip_")
        for measure in experiment.measures.values()
    )
    assert bool(programs) is simulated


def test_the_page_has_every_figure_of_every_system() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for system in SYSTEMS:
        experiment = load_experiment(system)
        assert f"## {system}: {experiment.file.title}" in text
        section = text.split(f"## {system}: ")[1].split("\n## ")[0]
        for figure in experiment.file.figures:
            assert f"| {figure.name.replace('_', chr(92) + '_')} |" in section
        for assumption in experiment.file.assumptions:
            assert f"| {assumption.name} |" in section
        for curve in experiment.file.curves:
            table = section.split(f"**{curve.name}.** Columns: {curve.axes[-1].name}.")[1]
            rows = [line for line in table.split("\n\n")[1].splitlines() if line.startswith("|")]
            assert len(rows) == 2 + math.prod(len(axis.values) for axis in curve.axes[:-1])


def test_every_published_figure_is_on_the_page_with_its_number() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for system in SYSTEMS:
        for figure in load_experiment(system).file.figures:
            shown = published(figure_result(figure, {}))
            assert shown in text
