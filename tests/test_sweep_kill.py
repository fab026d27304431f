"""Whatever is killed in the middle of a sweep, --resume gives the table of an undisturbed run."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_sweep_support import GRID, LONG, Bench, bench, children, dask, records, start, until

__all__ = ["bench"]
STARTED = 4
"""Points that are finished before something is killed."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of LONG that nobody disturbed, made in one process."""
    whole = Bench(tmp_path_factory.mktemp("whole"))
    whole.run(LONG, cache=False)
    return whole.table()


def begun(bench: Bench, *arguments: str) -> subprocess.Popen[str]:
    """A sweep in the middle."""
    path = bench.file(LONG)
    process = start(["sweep", str(path), "--out", str(bench.out), *arguments])
    until(lambda: records(bench.out) >= STARTED or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


def resume(bench: Bench) -> None:
    """Finish a sweep that was stopped; it must not have been finished."""
    assert STARTED <= records(bench.out) < 32
    process = start(["sweep", str(bench.out), "--resume", "--workers", "2"])
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
def test_a_killed_worker_is_replaced(bench: Bench, undisturbed: str) -> None:
    process = begun(bench, "--workers", "2")
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert bench.table() == undisturbed


def test_a_killed_client(bench: Bench, undisturbed: str) -> None:
    process = begun(bench, "--workers", "2")
    workers = children(process.pid)
    process.kill()
    process.communicate()
    assert len(workers) == 2
    until(lambda: all(map(gone, workers)), 20)
    resume(bench)
    assert bench.table() == undisturbed


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_an_interrupt(bench: Bench, undisturbed: str, times: int) -> None:
    """Ctrl-C reaches every process of a terminal; a second one does not wait for anything."""
    process = begun(bench, "--workers", "2")
    workers = children(process.pid)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"of 32 points are in {bench.out}" in err and "--resume" in err
    assert "Traceback" not in err
    until(lambda: all(map(gone, workers)), 20)
    resume(bench)
    assert bench.table() == undisturbed


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler with two workers as `dask scheduler` and `dask worker` start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = dask(["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"])
    worker = dask(["worker", address, "--nthreads", "1", "--nworkers", "2", "--no-dashboard",
                   "--death-timeout", "20"])  # fmt: skip
    try:
        until(lambda: not refuses(port))
        yield address, [scheduler, worker]
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait(30)


def refuses(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
def test_a_killed_scheduler(
    bench: Bench, undisturbed: str, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, (scheduler, _) = cluster
    process = begun(bench, "--scheduler", address)
    scheduler.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "the scheduler does not answer any more" in err and "--resume" in err
    assert "Traceback" not in err
    resume(bench)
    assert bench.table() == undisturbed


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer(bench: Bench) -> None:
    path = bench.file(GRID)
    with socket.socket() as silent:  # takes connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        process = start(["sweep", str(path), "--out", str(bench.out), "--scheduler", address])
        _, err = process.communicate(timeout=40)
    assert process.returncode == 2
    assert "no scheduler answers within 10 s" in err and "dask scheduler" in err


@pytest.mark.slow
def test_two_processes_on_one_folder(bench: Bench) -> None:
    process = begun(bench, "--workers", "1")
    other = start(["sweep", str(bench.out), "--resume", "--workers", "1"])
    _, err = other.communicate(timeout=60)
    assert other.returncode == 2 and "another process" in err
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
