"""archsim reproduce on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from archsim.cli.main import main
from archsim.reproduce import last
from archsim.reproduce.bench import Bench
from archsim.reproduce.last import NOT_RUN, OTHER, keep_last, last_state
from archsim.reproduce.load import load_experiment
from archsim.reproduce.result import ExperimentResult, FigureResult
from archsim.reproduce.run import run_experiment

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("ARCHSIM_REPRODUCE_CACHE", str(folder))
    return folder


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["reproduce", "--json"]) == 0
    return {one["system"]: one["state"] for one in json.loads(capsys.readouterr().out)}


def test_without_a_system_it_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce"]) == 0
    out = capsys.readouterr().out
    assert "lorafusion" in out and "halora" in out and "not run yet" in out


def test_the_list_simulates_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> float:
        raise AssertionError("a value was worked out")

    monkeypatch.setattr(Bench, "value", refused)
    assert set(states(capsys).values()) == {NOT_RUN}


def test_the_list_loads_nothing_that_simulates() -> None:
    code = (
        "import sys; from archsim.cli.main import main; main(['reproduce']); "
        "print({'numpy', 'numba', 'archsim.engine', 'archsim.adaptation'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_list_has_what_the_last_run_gave(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "hirise", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    found = Counter(FigureResult(**figure).state for figure in result["figures"])
    state = states(capsys)["hirise"]
    assert f"{found['compared']} compared" in state
    assert sum(int(part.split()[0]) for part in state.split(", ")) == len(result["figures"])
    kept = json.loads((cache / "last" / "hirise.json").read_text())
    assert kept["result"] == result
    monkeypatch.setattr(last, "code_hash", lambda: "another")
    assert states(capsys)["hirise"] == OTHER
    monkeypatch.undo()
    monkeypatch.setenv("ARCHSIM_REPRODUCE_CACHE", str(cache))
    (cache / "last" / "hirise.json").write_text("{")
    assert states(capsys)["hirise"] == NOT_RUN


def test_a_state_counts_figures_in_words(cache: Path) -> None:
    def figure(**given: Any) -> FigureResult:
        return FigureResult(name="f", **{"published": 1.0, "simulated": 1.0, "band": 0.1, **given})

    experiment = load_experiment("hirise")
    figures = [figure(), figure(), figure(simulated=2.0), figure(band=None),
               figure(published=None), figure(calibrated=True), figure(simulated=None)]  # fmt: skip
    result = ExperimentResult(system="hirise", title="t", paper="p", learnt="l", archsim="0",
                              figures=figures)  # fmt: skip
    keep_last(result, experiment, cache)
    assert last_state(experiment, cache) == (
        "2 agree, 1 calibrated, 1 deviates, 1 compared, 1 predicted, 1 quoted"
    )
    assert last_state(experiment, None) == NOT_RUN


@pytest.mark.parametrize("option", ["--no-cache", "--reduced"])
def test_runs_that_are_not_as_stated_leave_the_state(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "hirise", option]) == 0
    capsys.readouterr()
    assert states(capsys)["hirise"] == NOT_RUN


def test_a_changed_experiment_is_of_another_version(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load_experiment("hirise")
    keep_last(run_experiment(experiment), experiment, cache)
    assert last_state(experiment, cache) not in (NOT_RUN, OTHER)
    other = experiment.with_values([(["title"], "another title")])
    assert last_state(other, cache) == OTHER


def test_json_is_a_format_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "hirise", "--json", "--no-cache"]) == 0
    as_option = capsys.readouterr().out
    folder = tmp_path / "made"
    assert main(["reproduce", "hirise", "--format", "json", "--out", str(folder)]) == 0
    assert capsys.readouterr().out == as_option
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names == {"figures.json", "hirise.json", "reproduction.json", "sensitivity.json"}
    rows = json.loads((folder / "figures.json").read_text())
    assert [row["figure"] for row in rows] == [
        figure["name"] for figure in json.loads(as_option)[0]["figures"]
    ]
    assert main(["reproduce", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["system"]


def test_a_missing_trace_names_the_command_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(
        "archsim_experiment: 1\ntitle: t\npaper: p\nlearnt: l\n"
        "models:\n  m: {trace: llama-3.2-1b.trace.json}\n"
        "measures:\n  p: {kind: parameters, model: m}\n"
        "figures:\n  - {name: values, measure: p}\n"
    )
    assert main(["reproduce", str(path)]) == 2
    said = capsys.readouterr().err
    assert "case.yaml:6" in said
    assert "archsim trace export hf-config llama-3.2-1b" in said


def test_a_figure_without_a_source_is_refused_where_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(
        "archsim_experiment: 1\ntitle: t\npaper: p\nlearnt: l\n"
        "measures:\n  p: {kind: formula, expression: 1 + 1}\n"
        "figures:\n  - {name: first, measure: p}\n  - {name: second, measure: p, published: 2}\n"
    )
    assert main(["reproduce", str(path)]) == 2
    said = capsys.readouterr().err
    assert "case.yaml:9 (figures[1])" in said and "source" in said


def test_a_system_prints_published_and_own_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "hirise", "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert "17.7 x" in out and "21.72 x" in out and "compared" in out


def test_out_has_tables_results_and_kept_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "made"
    assert main(["reproduce", "hirise", "--out", str(folder), "--format", "csv"]) == 0
    capsys.readouterr()
    names = {path.name for path in folder.iterdir()}
    assert names == {"figures.csv", "hirise.json", "reproduction.json", "sensitivity.csv", "values"}
    result = json.loads((folder / "hirise.json").read_text())
    assert result["figures"][0]["simulated"] == 192.0  # 3 x 8 x 8
    page = tmp_path / "page.html"
    assert main(["report", str(folder / "reproduction.json"), "-o", str(page)]) == 0
    assert "17.7" in page.read_text()


@pytest.mark.parametrize("kind", ["md", "latex", "csv", "json"])
def test_formats(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "hirise", "--format", kind, "--no-cache"]) == 0
    out = capsys.readouterr().out
    head = {"md": "| ---", "latex": r"\toprule", "csv": "figure,published",
            "json": '"figures": ['}[kind]  # fmt: skip
    assert head in out


def test_an_unknown_system_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "halroa"]) == 2
    assert "Did you mean 'halora'?" in capsys.readouterr().err


def test_options_that_need_a_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--out", "x"]) == 2
    assert "SYSTEM" in capsys.readouterr().err


def test_an_interruption_says_that_values_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import archsim.reproduce.together as together

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(together, "run_experiment", interrupted)
    assert main(["reproduce", "hirise", "--out", str(tmp_path / "made")]) == 130
    assert "is kept" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
