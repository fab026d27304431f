"""archsim reproduce on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archsim.cli.main import main


def test_without_a_system_it_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce"]) == 0
    out = capsys.readouterr().out
    assert "lorafusion" in out and "halora" in out


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


@pytest.mark.parametrize("kind", ["md", "latex", "csv"])
def test_formats(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "hirise", "--format", kind, "--no-cache"]) == 0
    out = capsys.readouterr().out
    assert {"md": "| ---", "latex": r"\toprule", "csv": "figure,published"}[kind] in out


def test_an_unknown_system_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "halroa"]) == 2
    assert "Did you mean 'halora'?" in capsys.readouterr().err


def test_options_that_need_a_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--out", "x"]) == 2
    assert "SYSTEM" in capsys.readouterr().err


def test_an_interruption_says_that_values_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import archsim.reproduce.run as run

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_experiment", interrupted)
    assert main(["reproduce", "hirise", "--out", str(tmp_path / "made")]) == 130
    assert "is kept" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
