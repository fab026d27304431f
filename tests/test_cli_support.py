"""What the command line's tests share: small inputs made from the shipped files, and a runner."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import archsim
from archsim.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
ISAAC = (ROOT / "arch_configs" / "isaac.yaml").read_text(encoding="utf-8")
COMMAND = [sys.executable, "-m", "archsim"]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(archsim.__file__).resolve().parents[1]),
    "TERM": "xterm",
}

SMALL_ARCH = ISAAC.replace("    count: 168\n", "    count: 4\n").replace(
    "    count: 42\n", "    count: 1\n"
)
SMALL_WORKLOAD = """\
archsim_trace: 1
name: small
provenance: {model: "two layers", made_by: "a test"}
precision: {weight: 16, input: 16}
inputs:
  - {name: image, shape: [6, 6, 3]}
layers:
  - {name: first, op: conv2d, inputs: [image], kernel: [3, 3], in_channels: 3, out_channels: 8}
  - {name: relu, op: activation, inputs: [first], function: relu}
  - {name: second, op: conv2d, inputs: [relu], kernel: [1, 1], in_channels: 8, out_channels: 4}
"""


class Outcome(NamedTuple):
    """What one command did."""

    status: int
    out: str
    err: str


class Shell:
    """A folder with a small architecture and workload, and the command line run in this process."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]):
        self.folder, self.capture = folder, capture
        self.arch = self.file("arch.yaml", SMALL_ARCH)
        self.workload = self.file("small.yaml", SMALL_WORKLOAD)
        self.out = folder / "results"

    def file(self, name: str, text: str) -> str:
        """Write a file and give its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def __call__(self, *arguments: str | Path) -> Outcome:
        self.capture.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *self.capture.readouterr())

    def refused(self, *arguments: str | Path) -> str:
        """The error of a command that must end with 2, print nothing and write nothing."""
        before = sorted(self.folder.rglob("*"))
        status, out, err = self(*arguments)
        assert status == 2, err
        assert out == ""
        assert err.startswith("error: ")
        assert "Traceback" not in err
        assert sorted(self.folder.rglob("*")) == before
        return err


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def line_of(text: str, part: str) -> int:
    """Number of the first line of `text` that holds `part`."""
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)
