"""The command as a process: start-up, signals, closed and full pipes, terminals."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from test_cli_support import COMMAND, ENVIRONMENT, ROOT, Shell, shell

__all__ = ["shell"]
HEAVY = (
    "click.testing", "numpy", "numba", "pandas", "pint", "pydantic", "rich", "yaml", "onnx",
    "distributed", "dask", "optuna", "scipy", "matplotlib", "torch",
)  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, archsim.cli.main as m; m.main(['--help']); print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    assert not set(HEAVY) & set(found.stdout.splitlines()[-1].split())


class Terminal:
    """A process whose stderr (and stdout, if wanted) is a terminal."""

    def __init__(self, arguments: list[str], width: int = 100, stdout: bool = False):
        self.reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            env={k: v for k, v in ENVIRONMENT.items() if k not in ("COLUMNS", "NO_COLOR")},
            stdin=writer,
            stdout=writer if stdout else subprocess.PIPE,
            stderr=writer,
            # A shell's background jobs ignore SIGINT, and would hand that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        )
        os.close(writer)
        self.text = ""

    def read(self, until: str | None = None, seconds: float = 120) -> str:
        """What the terminal shows until a word is in it, or until the process ends."""
        limit = time.monotonic() + seconds
        while until is None or until not in self.text:
            if not select.select([self.reader], [], [], max(limit - time.monotonic(), 0))[0]:
                self.process.kill()
                raise AssertionError(f"no '{until}' after {seconds} s: {self.text[-500:]}")
            piece = b""
            with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
                piece = os.read(self.reader, 65536)
            if not piece:
                break
            self.text += piece.decode(errors="replace")
        return self.text


def test_interrupt_in_the_middle_of_a_long_run(tmp_path: Path) -> None:
    inputs = [str(ROOT / "arch_configs/isaac_vpu.yaml"), str(ROOT / "workloads/resnet50.yaml")]
    out = str(tmp_path / "deep" / "run")
    terminal = Terminal(["run", *inputs, "--batch", "64", "--out", out])
    terminal.read(until="simulating")
    time.sleep(0.5)
    terminal.process.send_signal(signal.SIGINT)
    text = terminal.read()
    assert terminal.process.wait(30) == 130
    assert text.rstrip().splitlines()[-1].endswith("interrupted; nothing was written")
    assert "Traceback" not in text
    assert terminal.process.stdout is not None
    assert terminal.process.stdout.read() == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", [60, 140])
def test_terminal_gets_its_width_colours_and_progress(shell: Shell, width: int) -> None:
    terminal = Terminal(["run", shell.arch, shell.workload], width, stdout=True)
    text = terminal.read()
    assert terminal.process.wait(30) == 0
    assert "loading" in text
    tables = text[text.rindex("small on ISAAC-CE") :]
    assert "\x1b[" in tables
    rules = [line for line in tables.splitlines() if line.startswith("───")]
    assert len(rules) == 3
    assert max(map(len, rules)) <= width
    assert ("Left out for lack of width" in tables) == (width == 60)


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_no_progress_where_it_is_not_wanted(shell: Shell, option: str) -> None:
    terminal = Terminal(["run", shell.arch, shell.workload, option])
    assert terminal.read() == ""
    assert terminal.process.wait(30) == 0
    assert terminal.process.stdout is not None
    out = terminal.process.stdout.read().decode()
    if option == "--json":
        assert json.loads(out)["inputs"]["trace_name"] == "small"
    else:
        assert out.startswith("small on ISAAC-CE")


@pytest.mark.parametrize("command", ["sources", "show", "run"])
def test_closed_pipe_is_silent(shell: Shell, command: str) -> None:
    arguments = [command, shell.arch, *([shell.workload] if command == "run" else [])]
    process = subprocess.Popen(
        [*COMMAND, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 141
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["sources"], ["show", "--json"], ["--help"]])
def test_full_disk(shell: Shell, arguments: list[str]) -> None:
    inputs = [] if "--help" in arguments else [shell.arch]
    with open("/dev/full", "w", encoding="utf-8") as full:
        found = subprocess.run(
            [*COMMAND, *arguments, *inputs], env=ENVIRONMENT, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert found.returncode == 2
    assert found.stderr.startswith("error: ")
    assert "Traceback" not in found.stderr
    assert "o space left" in found.stderr


def test_plain_ascii_terminal(shell: Shell) -> None:
    found = subprocess.run(
        [*COMMAND, "run", shell.arch, shell.workload],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    text = found.stdout.decode("ascii")
    assert "####" in text
    assert "\\u" not in text


def test_bars_of_an_ascii_terminal_keep_their_heights() -> None:
    code = (
        "from archsim.cli.console import print_tables\n"
        "from archsim.tables.table import Column, Table\n"
        "print_tables(Table('t', [Column('b', 'bars', str)], ['\u2581\u2583\u2585\u2588']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert found.stdout.decode("ascii").splitlines()[-1] == ".-=#"
