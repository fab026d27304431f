"""Fabricated macros: no figure of a chip enters its own prediction, and the page is not stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from test_cli_support import Shell, shell
from test_teaching import ROOT

from archsim.reproduce.silicon.figures import FILE
from archsim.reproduce.silicon.run import Row, run_silicon, summary
from archsim.reproduce.silicon.tables import page

__all__ = ["shell"]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return run_silicon()


def test_the_page_is_made_from_the_rows(rows: list[Row]) -> None:
    assert (ROOT / "docs/silicon.md").read_text(encoding="utf-8") == page(rows)


def test_throughput_of_the_engine_is_that_of_structure_and_clock(rows: list[Row]) -> None:
    """aimc1: 2 x 1024 x 512 operations in 44.4 ns, 23.62 TOPS. dimc3 with its own clock: 8 macros
    x 128 rows x 1 output x 2 operations in 4 clocks (2 of 8 bits each)."""
    found = {(row.chip, row.figure, row.supply): row for row in rows}
    assert found["aimc1", "throughput", ""].archsim == pytest.approx(
        2 * 1024 * 512 / 44.4e-9 / 1e12, rel=1e-3
    )
    clock = found["dimc3", "clock", ""].archsim * 1e6
    assert found["dimc3", "throughput", ""].archsim == pytest.approx(
        8 * 128 * 2 * clock / 4 / 1e12, rel=1e-3
    )


def test_a_chips_own_figures_do_not_enter_its_prediction(tmp_path: Path, rows: list[Row]) -> None:
    """Another published clock of dimc1 moves the other digital chips and not dimc1."""
    folder = tmp_path / "silicon"
    shutil.copytree(FILE.parent, folder)
    for file in (FILE.parent.parent).glob("*.yaml"):
        shutil.copy(file, tmp_path)
    data = yaml.safe_load(FILE.read_text())
    data["chips"] = {n: c for n, c in data["chips"].items() if c.get("digital")}
    data["chips"]["dimc1"]["published"]["clock"] *= 2
    (folder / FILE.name).write_text(yaml.safe_dump(data))
    before = {row.chip: row.archsim for row in rows if row.figure == "clock"}
    after = {r.chip: r.archsim for r in run_silicon(folder / FILE.name) if r.figure == "clock"}
    assert after["dimc1"] == pytest.approx(before["dimc1"])
    assert after["dimc3"] == pytest.approx(before["dimc3"] * 2 ** (1 / 3))


def test_what_is_not_stated_or_typed_is_not_counted(rows: list[Row]) -> None:
    counted = [r for r in rows if not r.why and r.inputs == "predicted"]
    assert summary(rows).predicted == len(counted) < len(rows)
    assert summary(rows).worst_error == max(r.error for r in counted)


def test_json_has_rows_and_a_summary(shell: Shell) -> None:
    status, out, _ = shell("reproduce", "silicon", "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert {"chip", "figure", "published", "archsim", "ratio", "inputs"} <= set(found["rows"][0])
    assert set(found["summary"]) == {
        "chips", "figures", "predicted", "median_error", "worst_error",
    }  # fmt: skip
