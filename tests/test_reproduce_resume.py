"""A reproduction that is stopped, by a signal to a real process, goes on where it was."""

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

ROOT = Path(__file__).resolve().parents[1]
ENOUGH = 6  # values that are kept before the run is stopped
LENGTHS = list(range(200, 800, 30))
DEADLINE_S = 120.0


def experiment(folder: Path) -> Path:
    """A curve whose points take some hundredths of a second each."""
    path = folder / "case.yaml"
    content = {
        "archsim_experiment": 1,
        "title": "a layer of many lengths",
        "paper": "none",
        "learnt": "Longer takes longer.",
        "chips": {"chip": {"arch": str(ROOT / "arch_configs" / "isaac.yaml")}},
        "models": {"layer": {"linear": [128, 128], "seq": 32}},
        "measures": {
            "seconds": {"kind": "inference", "chip": "chip", "model": "layer", "of": "latency_s"},
            "least": {"kind": "least", "curve": "seconds"},
        },
        "assumptions": [
            {"name": "width", "value": 8, "paths": ["models.layer.input_bits"],
             "low": 4, "high": 16, "source": "assumption"},
        ],
        "figures": [
            {"name": "one", "measure": "seconds", "unit": "s"},
            {"name": "least", "measure": "least", "unit": "s"},
        ],
        "curves": [
            {"name": "seconds", "unit": "s", "measure": "seconds",
             "axes": [{"name": "positions", "paths": ["models.layer.seq"], "values": LENGTHS}]},
        ],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def start(path: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "archsim", "reproduce", str(path), "--out", str(out)]
    environment = {**os.environ, "ARCHSIM_REPRODUCE_CACHE": "off"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def kept(out: Path) -> dict[str, int]:
    """Names of the files of values with the time at which each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "values").glob("*.json")}


def tables(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run gives that nothing stops."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(experiment(folder), folder / "made")
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said
    return folder / "made"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_and_ends_alike(
    number: signal.Signals, tmp_path: Path, whole: Path
) -> None:
    path, out = experiment(tmp_path), tmp_path / "made"
    process = start(path, out)
    deadline = time.monotonic() + DEADLINE_S
    while len(kept(out)) < ENOUGH and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(number)
    _, said = process.communicate(timeout=DEADLINE_S)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "is kept" in said and "Traceback" not in said
    else:
        assert process.returncode == -signal.SIGKILL

    before = kept(out)
    assert ENOUGH <= len(before) < len(kept(whole))
    assert all("value" in json.loads((out / "values" / name).read_text()) for name in before)
    assert tables(out) == {}  # nothing that looks finished

    again = start(path, out)
    _, said = again.communicate(timeout=DEADLINE_S)
    assert again.returncode == 0, said
    after = kept(out)
    assert {name: after[name] for name in before} == before  # not one was written again
    assert set(after) == set(kept(whole))
    assert tables(out) == tables(whole)
    left = [name for name in os.listdir(out / "values") if not name.endswith(".json")]
    assert len(left) <= (number == signal.SIGKILL)  # a temporary file that was being written
