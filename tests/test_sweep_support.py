"""What the tests of sweeps share: small sweeps on the teaching chip, and a folder for them."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli_support import COMMAND, ENVIRONMENT, ROOT

from archsim.sweep import run_sweep

ARCH = ROOT / "arch_configs" / "teaching.yaml"
TRACE = ROOT / "workloads" / "teaching.yaml"
HEAD = f"archsim_sweep: 1\nname: test\narch: {ARCH}\ntraces: [{TRACE}]\n"
GRID = """\
axes:
  tile.pe.adc.rate: [0.5 GS/s, 1 GS/s, 2 GS/s]
  tile.bus.wires: [2, 8]
"""
LONG = """\
axes:
  tile.pe.adc.rate: {from: 0.5 GS/s, to: 2 GS/s, steps: 8}
  tile.bus.wires: [1, 2, 4, 8]
run: {batch: 10000}
"""
"""32 points of some 80 ms: time enough to kill something."""


class Bench:
    """A folder with a sweep file in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.out = folder / "results"

    def file(self, text: str = GRID, name: str = "sweep.yaml") -> Path:
        """Write a sweep of the teaching chip."""
        path = self.folder / name
        path.write_text(HEAD + text, encoding="utf-8")
        return path

    def run(self, text: str = GRID, out: Path | None = None, **options: Any) -> Any:
        """Run a sweep in this process."""
        return run_sweep(self.file(text), out or self.out, **{"workers": 0, **options})

    def table(self, out: Path | None = None) -> str:
        """The final table of a finished sweep."""
        return ((out or self.out) / "results.csv").read_text(encoding="utf-8")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A folder for a sweep, with a cache of its own."""
    monkeypatch.setenv("ARCHSIM_SWEEP_CACHE", str(tmp_path / "cache.sqlite"))
    return Bench(tmp_path)


def start(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    """`archsim` as a process of its own session, without the user's cache."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env={**ENVIRONMENT, "ARCHSIM_SWEEP_CACHE": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def records(out: Path) -> int:
    """How many points a folder holds, read while another process writes."""
    try:
        with contextlib.closing(sqlite3.connect(out / "points.sqlite")) as database:
            return int(database.execute("SELECT count(*) FROM records").fetchone()[0])
    except sqlite3.Error:
        return 0


def until(met: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is true."""
    limit = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < limit, "it never came true"
        time.sleep(0.02)


def dask(arguments: list[str]) -> subprocess.Popen[bytes]:
    """A `dask` command as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        env={**ENVIRONMENT, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def children(pid: int) -> list[int]:
    """Worker processes of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(stat[1]) == pid and b"spawn_main" in command:
                found.append(int(entry.name))
    return found
