"""The experiments that come with archsim: all load, and what can agree with its paper does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import archsim.engine
from archsim.engine.activity import Activity
from archsim.program import Program
from archsim.reproduce.bench import Bench
from archsim.reproduce.load import load_experiment, systems
from archsim.reproduce.run import figure_result, run_experiment
from archsim.reproduce.tables import published

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reproductions.md"
SYSTEMS = systems()
CHEAP = ("adapted", "chip", "formula", "gpu_inference", "parameters", "training")


def test_all_systems_are_there() -> None:
    assert set(SYSTEMS) >= {
        "ahwa-lora", "da3", "fp-smr", "halora", "hirise", "lorafusion", "mobiletl", "pruning",
        "reboc", "rep-net", "sas-mram-cl", "xbm", "xma", "xma2", "xst",
    }  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_derived_figures_agree_within_their_bands(system: str) -> None:
    experiment = load_experiment(system)
    bench = Bench(experiment)
    for figure in experiment.file.figures:
        if figure.how != "derived" or figure.band is None or figure.published is None:
            continue
        assert figure.measure is not None
        low, high = (
            figure.published
            if isinstance(figure.published, tuple)
            else (figure.published, figure.published)
        )
        value = bench.value(figure.measure)
        assert low * (1 - figure.band) <= value <= high * (1 + figure.band), figure.name


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
    simulated = any(
        measure.kind in ("inference", "switch")  # type: ignore[attr-defined]
        for measure in experiment.measures.values()
    )
    assert bool(programs) is simulated or "chip_" in str(experiment.file.measures)


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


def test_every_published_figure_is_on_the_page_with_its_number() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for system in SYSTEMS:
        for figure in load_experiment(system).file.figures:
            shown = published(figure_result(figure, {}))
            assert shown in text
