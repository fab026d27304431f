"""archsim compare on the command line: formats, files, bad input, Ctrl-C."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from test_cli_support import COMMAND, ENVIRONMENT, ROOT, Shell, shell
from test_compare_costs import square
from test_methods_support import HYBRID, transformer

from archsim.adaptation.comparison_file import load_experiment
from archsim.adaptation.comparison_result import Comparison

__all__ = ["shell"]


@pytest.fixture
def trace(shell: Shell) -> str:
    return shell.file("square.json", square().model_dump_json(exclude_none=True))


def given(trace: str, *more: str | Path, methods: str = "xbm,halora") -> list[str | Path]:
    return ["compare", "--arch", HYBRID, "--trace", trace, "--methods", methods, "--workers", "1",
            *more]  # fmt: skip


def yaml_file(shell: Shell, path: str, **changes: object) -> str:
    data = {
        "archsim_comparison": 1,
        "arch": str(HYBRID),
        "trace": Path(path).name,
        "methods": ["xbm", {"kind": "halora", "rank": 8}],
        "gpus": ["a100", {"gpu": "jetson-nano", "batch": 4}],
        "scenario": {"tasks": 3, "inferences_per_task": 50},
        **changes,
    }
    return shell.file("comparison.yaml", yaml.safe_dump(data, sort_keys=False))


def test_the_command_line_and_a_file_say_the_same(shell: Shell, trace: str) -> None:
    options = ["--gpu", "a100", "--tasks", "3", "--inferences-per-task", "50", "--json"]
    status, out, err = shell(*given(trace, *options))
    assert (status, err) == (0, "")
    first = Comparison.model_validate_json(out)
    file = yaml_file(shell, trace, methods=["xbm", "halora"], gpus=["a100"])
    status, out, err = shell("compare", file, "--workers", "1", "--json")
    assert (status, err) == (0, "")
    second = Comparison.model_validate_json(out)
    assert first.rows == second.rows
    assert first.break_even == second.break_even
    assert (first.tasks, first.inferences) == (3, 150)


def test_every_format(shell: Shell, trace: str) -> None:
    out = {}
    for form in ("table", "md", "latex", "csv", "json"):
        status, out[form], err = shell(*given(trace, "--gpu", "a100", "--format", form))
        assert (status, err) == (0, "")
    for title in ("What a new task changes", "What an inference costs", "Break-even in energy"):
        assert title in out["table"] and title in out["md"] and title in out["latex"]
    assert max(map(len, out["table"].splitlines())) <= 120
    assert "\\midrule" in out["latex"]
    records = list(csv.DictReader(io.StringIO(out["csv"])))
    rows = json.loads(out["json"])["rows"]
    assert json.loads(out["json"])["archsim_comparison_result"] == 1
    assert [r["method"] for r in records] == [r["method"] for r in rows]
    for record, row in zip(records, rows, strict=True):
        assert float(record["inference_energy_j"]) == row["inference_energy_j"]


def test_results_are_written_whole(shell: Shell, trace: str) -> None:
    status, _, err = shell(*given(trace, "--out", shell.out, "--plot", shell.out / "plots"))
    assert (status, err) == (0, "")
    names = {path.name for path in shell.out.iterdir()}
    assert names == {
        "comparison.json", "comparison.md", "comparison.csv", "break_even.csv", "comparison.tex",
        "plots",
    }  # fmt: skip
    text = (shell.out / "comparison.json").read_text()
    assert Comparison.model_validate_json(text).inputs.arch == str(HYBRID)
    assert "holds another run" in shell.refused(*given(trace, "--out", shell.out))
    status, _, err = shell(*given(trace, "--out", shell.out, "--force"))
    assert (status, err) == (0, "")


def test_a_scenario_file(shell: Shell, trace: str) -> None:
    rule = {"tasks": 3, "inferences_per_task": 20, "order": "round_robin"}
    data = {"archsim_scenario": 1, "name": "s", "trace": Path(trace).name, "generator": rule}
    scenario = shell.file("s.yaml", yaml.safe_dump(data))
    status, out, _ = shell(*given(trace, "--scenario", scenario, "--json"))
    assert status == 0
    found = Comparison.model_validate_json(out)
    assert (found.tasks, found.inferences) == (3, 60)
    assert all(row.switches == 3 for row in found.rows)  # all three stay resident
    shell.file("square.json", transformer().model_dump_json(exclude_none=True))
    other = shell.file("other.json", square().model_dump_json(exclude_none=True))
    assert "another model" in shell.refused(*given(other, "--scenario", scenario))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--methods", "halo"], "there is no adaptation method 'halo'"),
        (["--methods", "xbm,xbm"], "twice"),
        (["--gpu", "a1000"], "there is no GPU 'a1000'"),
        (["--arch", "none.yaml"], "there is no file 'none.yaml'"),
    ],
)
def test_bad_names(shell: Shell, trace: str, options: list[str], words: str) -> None:
    assert words in shell.refused(*given(trace, *options))


@pytest.mark.parametrize(
    "options",
    [
        ["--tasks", "0"],
        ["--inferences-per-task", "0"],
        ["--chips", "0"],
        ["--learn-batch", "4"],
        ["--scenario", "s.yaml", "--tasks", "3"],
        ["--batch", "-1"],
    ],
)
def test_bad_numbers(shell: Shell, trace: str, options: list[str]) -> None:
    status, out, err = shell(*given(trace, *options))
    assert (status, out) == (2, "")
    assert "Error" in err and "Traceback" not in err


def test_a_file_excludes_what_it_says_itself(shell: Shell, trace: str) -> None:
    status, _, err = shell("compare", yaml_file(shell, trace), "--tasks", "3")
    assert status == 2 and "--tasks" in err
    status, _, err = shell("compare", "--arch", HYBRID)
    assert status == 2 and "--trace" in err


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"methods": ["xbm", "nothing"]}, "methods[1]", "no adaptation method"),
        ({"methods": [{"kind": "halora", "rnk": 2}]}, "methods[0]", "rnk"),
        ({"methods": [{"rank": 2}]}, "methods[0]", "kind"),
        ({"gpus": [{"gpu": "a100", "precision": "fp5"}]}, "gpus[0]", "fp5"),
        ({"scenario": {"tasks": 0, "inferences_per_task": 1}}, "scenario", "must be 1 or more"),
        ({"trace": "none.json"}, "trace", "no file"),
        ({"options": {"batches": 2}}, "options.batches", "batches"),
        ({"archsim_comparison": 2}, "archsim_comparison", "newer"),
    ],
)
def test_faults_of_a_file_have_their_place(
    shell: Shell, trace: str, changes: dict[str, object], place: str, words: str
) -> None:
    file = yaml_file(shell, trace, **changes)
    err = shell.refused("compare", file)
    assert "comparison.yaml:" in err
    assert place in err and words in err


def test_unfit_methods(shell: Shell, trace: str) -> None:
    lean = ROOT / "arch_configs" / "isaac_vpu.yaml"
    options: list[str | Path] = ["compare", "--arch", lean, "--trace", trace]
    options += ["--methods", "halora,xbm", "--workers", "1"]
    err = shell.refused(*options, "--gpu", "a100")
    assert "halora on" in err and "--skip-unfit" in err
    status, out, _ = shell(*options, "--gpu", "a100", "--skip-unfit")
    assert status == 0
    assert "Left out" in out and "xbm" in out


def test_the_shipped_experiment_loads() -> None:
    found = load_experiment(ROOT / "experiments" / "my_comparison.yaml")
    assert "halora, rank 8" in found.methods
    assert found.scenario.inferences() == 80_000


def test_ctrl_c_leaves_nothing(tmp_path: Path, shell: Shell) -> None:
    trace = ROOT / "traces" / "minilm_l6.trace.json"
    out = tmp_path / "never"
    command = [*COMMAND, "compare", "--arch", str(HYBRID), "--trace", str(trace), "--methods",
               "full,piggyback", "--workers", "2", "--out", str(out)]  # fmt: skip
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        time.sleep(4)
        os.killpg(process.pid, signal.SIGINT)
        told, err = process.communicate(timeout=30)  # until no worker has the pipes open
    assert process.returncode == 130
    assert told == b""
    assert err.decode().strip() == "interrupted; nothing was written"
    assert not out.exists()
