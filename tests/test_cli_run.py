"""archsim run: tables, JSON, result directories, engines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from test_cli_support import ROOT, SMALL_WORKLOAD, Shell, shell

from archsim.report.run_tables import LAYER_COLUMNS, energy, headline, layers
from archsim.report.terminal import render
from archsim.result import Result

__all__ = ["shell"]
KEYS = {
    "cycles", "tick_s", "latency_s", "throughput_inf_per_s", "energy_j", "energy_breakdown_j",
    "power_w", "macs", "ops", "tops", "tops_per_w", "peak_tops", "area_mm2", "arrays_used",
    "arrays_total", "chips", "layers", "engine", "services", "wall_s",
}  # fmt: skip


def run_json(shell: Shell, *options: str | Path) -> dict[str, object]:
    status, out, err = shell("run", shell.arch, shell.workload, "--json", *options)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_tables_on_stdout(shell: Shell) -> None:
    status, out, err = shell("run", shell.arch, shell.workload)
    assert (status, err) == (0, "")
    assert "small on ISAAC-CE, batch 1" in out
    for word in ("throughput", "energy per inference", "average power", "TOPS/W", "area", "chips"):
        assert word in out
    assert "interval" not in out
    for layer in ("image", "first", "relu", "second"):
        assert any(line.startswith(layer) for line in out.splitlines())
    assert "ADCs" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 120
    assert "first inference" in shell("run", shell.arch, shell.workload, "--batch", "2").out


def test_json_is_one_object_that_says_what_the_tables_say(shell: Shell) -> None:
    found = run_json(shell, "--batch", "3")
    assert set(found) >= KEYS
    macs = 3 * (16 * 9 * 3 * 8 + 16 * 8 * 4)
    assert found["macs"] == macs
    assert found["ops"] == 2 * macs
    assert [row["name"] for row in found["layers"]] == ["image", "first", "relu", "second"]
    result = Result.model_validate(found)
    assert sum(result.energy_breakdown_j.values()) == pytest.approx(result.energy_j)
    text = shell("run", shell.arch, shell.workload, "--batch", "3").out
    assert f"{result.cycles:,} cycles" in text
    assert f"{result.arrays_used} of {result.arrays_total}" in text


@pytest.mark.parametrize("options", [("--engine", "reference"), ("--no-fold",)])
def test_other_ways_give_the_same_run(shell: Shell, options: tuple[str, ...]) -> None:
    fast, other = run_json(shell), run_json(shell, *options)
    assert fast["digest"] == other["digest"]
    assert fast["energy_j"] == other["energy_j"]
    assert other["engine"] == ("reference" if "reference" in options else "fast")


def test_no_replicate_keeps_one_copy(shell: Shell) -> None:
    copies = [row["replicas"] for row in run_json(shell)["layers"]]
    alone = [row["replicas"] for row in run_json(shell, "--no-replicate")["layers"]]
    assert set(alone) == {1}
    assert max(copies) > 1


def test_out_holds_the_same_run_in_three_forms(shell: Shell) -> None:
    out = shell.folder / "new" / "parent" / "run"
    found = run_json(shell, "--out", out)
    assert sorted(p.name for p in out.iterdir()) == ["layers.csv", "result.json", "summary.md"]
    assert json.loads((out / "result.json").read_text(encoding="utf-8")) == found
    with (out / "layers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [row["name"] for row in found["layers"]]
    for row, layer in zip(rows, found["layers"], strict=True):
        assert float(row["energy_j"]) == layer["energy_j"]
        assert float(row["finish_s"]) == layer["finish_s"]
    summary = (out / "summary.md").read_text(encoding="utf-8")
    assert "## small on ISAAC-CE, batch 1" in summary
    assert "| ADCs |" in summary
    assert summary.count("\n| first |") == 1
    assert [p.name for p in out.parent.iterdir()] == ["run"]


def test_directory_of_another_run(shell: Shell) -> None:
    first = run_json(shell, "--out", shell.out)
    err = shell.refused("run", shell.arch, shell.workload, "--batch", "2", "--out", shell.out)
    assert f"{shell.out}: the directory holds another run" in err
    assert "--force" in err
    stored = shell.out / "result.json"
    assert json.loads(stored.read_text(encoding="utf-8")) == first
    second = run_json(shell, "--batch", "2", "--out", shell.out, "--force")
    assert json.loads(stored.read_text(encoding="utf-8")) == second
    assert second["inputs"]["batch"] == 2


def test_force_spares_what_is_not_a_run(shell: Shell) -> None:
    shell.out.mkdir()
    (shell.out / "thesis.tex").write_text("mine", encoding="utf-8")
    for option in ((), ("--force",)):
        err = shell.refused("run", shell.arch, shell.workload, "--out", shell.out, *option)
        assert "'thesis.tex' is in it" in err


def test_out_that_is_a_file(shell: Shell) -> None:
    err = shell.refused("run", shell.arch, shell.workload, "--out", shell.workload, "--force")
    assert "this is a file, not a directory" in err
    below = Path(shell.workload) / "run"
    err = shell.refused("run", shell.arch, shell.workload, "--out", below)
    assert "is a file, not a directory" in err


@pytest.mark.parametrize(
    "bad",
    [
        ["--chips", "0"],
        ["--chips", "many"],
        ["--batch", "0"],
        ["--batch", "1" + 20 * "0"],
        ["--engine", "slow"],
        ["--force"],
    ],
)
def test_wrong_options(shell: Shell, bad: list[str]) -> None:
    status, out, err = shell("run", shell.arch, shell.workload, *bad)
    assert (status, out) == (2, "")
    assert err.startswith("Usage: archsim run")
    assert bad[0] in err


def test_more_chips_where_one_is_too_small(shell: Shell) -> None:
    large = SMALL_WORKLOAD.replace("out_channels: 8}", "out_channels: 800}").replace(
        "in_channels: 8, out_channels: 4}", "in_channels: 800, out_channels: 1200}"
    )
    path = shell.file("large.yaml", large)
    err = shell.refused("run", shell.arch, path, "--out", shell.out)
    assert f"{path} on {shell.arch}: the model does not fit on 1 chip" in err
    # In arrays of 128 x 128: 800 x 8 columns of 27 rows and 1200 x 8 columns of 800 rows.
    assert "it needs 575 arrays" in err
    assert "384 arrays in 48 PEs are present" in err
    assert "--chips auto" in err
    status, out, _ = shell("run", shell.arch, path, "--chips", "auto", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["chips"] > 1
    assert found["arrays_total"] == 384 * found["chips"]


def test_transformer_without_a_vector_unit(shell: Shell) -> None:
    trace = ROOT / "traces" / "minilm_l6.trace.json"
    err = shell.refused("run", ROOT / "arch_configs" / "isaac.yaml", trace, "--out", shell.out)
    for part in ("no unit that runs these layers", "block0.softmax", "embed.word", "vector_unit"):
        assert part in err


def test_tables_at_any_width(shell: Shell) -> None:
    from rich.console import Console

    result = Result.model_validate(run_json(shell, "--batch", "2"))
    for width in (50, 60, 80, 100, 120, 200):
        console = Console(width=width, force_terminal=False, record=True, quiet=False)
        with console.capture() as captured:
            for table in (headline(result), energy(result), layers(result)):
                console.print(render(table, width))
        text = captured.get()
        assert max(map(len, text.splitlines())) <= width
        assert "first inference" in text
        assert "second" in text
        left_out = [c.title for c in LAYER_COLUMNS if c.shown and c.title not in text]
        assert left_out == []  # a column is there, or is named below as left out
        assert ("Left out for lack of width" in text) == (width <= 100)


def test_names_are_shown_as_they_are_but_move_no_cursor(shell: Shell) -> None:
    odd = SMALL_WORKLOAD.replace("name: second", 'name: "[red]a|b\\e[2J"')
    status, out, err = shell("run", shell.arch, shell.file("odd.yaml", odd), "--out", shell.out)
    assert (status, err) == (0, "")
    assert "[red]a|b\N{REPLACEMENT CHARACTER}[2J" in out
    summary = (shell.out / "summary.md").read_text(encoding="utf-8")
    assert r"\[red]a\|b" in summary
