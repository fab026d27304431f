"""Experiments in processes of their own: the same results, faults that say where, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from archsim.errors import InputError
from archsim.reproduce.together import Options, run_experiments

ROOT = Path(__file__).resolve().parents[1]
DEADLINE_S = 120.0


def experiment(folder: Path, name: str, seq: int = 32, trace: str | None = None) -> str:
    path = folder / f"{name}.yaml"
    model = {"trace": trace} if trace else {"linear": [128, 128], "seq": seq}
    content = {
        "archsim_experiment": 1,
        "title": name,
        "paper": "none",
        "learnt": "Nothing.",
        "chips": {"chip": {"arch": str(ROOT / "arch_configs" / "isaac.yaml")}},
        "models": {"layer": model},
        "measures": {
            "seconds": {"kind": "inference", "chip": "chip", "model": "layer", "of": "latency_s"}
        },
        "figures": [{"name": "one", "measure": "seconds", "unit": "s"}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def left(group: int) -> list[str]:
    """Processes of a group that are neither gone nor zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = path.read_text().rsplit(")", 1)
        except OSError:  # gone meanwhile
            continue
        state, _, own = fields.split()[:3]
        if int(own) == group and state != "Z":
            found.append(name)
    return found


def test_results_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    names = [experiment(tmp_path, f"case{n}", 8 * n) for n in (1, 2, 3)]
    told: list[tuple[str, str, int, int]] = []
    alone = {r.system: r for r in run_experiments(names, Options())}
    found = {
        r.system: r
        for r in run_experiments(
            names, Options(), workers=2, progress=lambda *step: told.append(step)
        )
    }
    assert found == alone and len(found) == 3
    assert {system for system, *_ in told} == set(found)


def test_a_fault_in_a_process_says_what_and_where(tmp_path: Path) -> None:
    names = [experiment(tmp_path, "good"), experiment(tmp_path, "bad", trace="none.json")]
    with pytest.raises(InputError) as fault:
        list(run_experiments(names, Options(), workers=2))
    assert "none.json" in str(fault.value)


def test_ctrl_c_ends_all_processes_and_says_what_is_kept(tmp_path: Path) -> None:
    """The signal goes to the whole group, as a terminal sends it."""
    command = [sys.executable, "-m", "archsim", "reproduce", "all", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--workers", "2"], cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + DEADLINE_S
    values = tmp_path / "values"
    while len(list(values.glob("*.json"))) < 3 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "is kept" in said and "Traceback" not in said
    while left(process.pid):  # multiprocessing's own helper ends a moment later
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert all("value" in json.loads(path.read_text()) for path in values.glob("*.json"))
