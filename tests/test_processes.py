"""Processes end with the one that started them, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, time
from pathlib import Path
from archsim.system.processes import spread

def work(number, folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(spread(work, {"a": 1, "b": 2}, 2, (sys.argv[1],)))
"""


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    script, folder = tmp_path / "parent.py", tmp_path / "pids"
    script.write_text(SCRIPT)
    folder.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(folder)], stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 50
        while len(os.listdir(folder)) < 2 and time.monotonic() < limit:
            time.sleep(0.1)
        workers = [int(name) for name in os.listdir(folder)]
        assert len(workers) == 2
        assert all(map(lives, workers))
    finally:
        parent.send_signal(how)
        parent.wait(30)
    limit = time.monotonic() + 20
    while any(map(lives, workers)) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not any(map(lives, workers))
