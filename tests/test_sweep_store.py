"""The store: what was put is there, damage costs what it hit, a full disk leaves whole records."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_support import COMMAND, ENVIRONMENT
from test_sweep_support import GRID, Bench, bench, records

from archsim.errors import InputError
from archsim.sweep import load_results, run_sweep
from archsim.sweep.store import Store

__all__ = ["bench"]
MANY = """\
axes:
  tile.pe.adc.rate: {from: 0.5 GS/s, to: 2 GS/s, steps: 16}
  tile.bus.wires: [1, 2, 4, 8]
"""


def fill(path: Path, number: int) -> dict[str, dict[str, object]]:
    data = {f"point {i}": {"value": i, "text": "x" * 3000 + "é\n\0"} for i in range(number)}
    with Store(path) as store:
        for name, record in data.items():
            store.put({name: record})
    return data


@given(st.dictionaries(st.text(max_size=9), st.dictionaries(st.text(), st.integers())))
@settings(max_examples=25)
def test_what_is_put_comes_back(data: dict[str, dict[str, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder) / "s.sqlite") as store:
            store.put(data)
            assert store.get(list(data)) == data
        with Store(Path(folder) / "s.sqlite") as store:
            assert dict(store.items()) == data and store.damage is None


def test_the_last_record_of_a_name_counts(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store.put({"a": {"n": 1}})
        store.put({"a": {"n": 2}})
        assert store.get(["a", "b"]) == {"a": {"n": 2}}


def damaged(path: Path, data: dict[str, dict[str, object]]) -> int:
    """How many records a damaged store has lost; the others are as they were."""
    with Store(path) as store:
        kept, damage = dict(store.items()), store.damage
    assert damage is not None and damage.kept == len(kept) and damage.moved_to.exists()
    assert all(record == data[name] for name, record in kept.items())
    with Store(path) as store:
        assert store.damage is None and dict(store.items()) == kept
    return len(data) - len(kept)


def test_a_flipped_byte_costs_one_record(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    data = fill(path, 100)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b'"value": 50,') + 9] ^= 1
    path.write_bytes(raw)
    assert damaged(path, data) == 1


@pytest.mark.parametrize("page", [0, 3, 5])
def test_a_page_of_rubbish_costs_its_records(tmp_path: Path, page: int) -> None:
    path = tmp_path / "s.sqlite"
    data = fill(path, 200)
    raw = bytearray(path.read_bytes())
    raw[page * 65536 : (page + 1) * 65536] = os.urandom(65536)
    path.write_bytes(raw)
    assert damaged(path, data) < 25


def test_half_a_file_keeps_its_half(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    data = fill(path, 200)
    os.truncate(path, path.stat().st_size // 2)
    assert 60 < damaged(path, data) < 140


def test_a_file_of_something_else_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("dear diary" * 500)
    assert damaged(path, {}) == 0


def test_a_sweep_says_what_was_lost_and_simulates_it_again(bench: Bench) -> None:
    whole = bench.folder / "whole"
    bench.run(GRID, whole, cache=False)
    shutil.copytree(whole, bench.out)
    path = bench.out / "points.sqlite"
    raw = bytearray(path.read_bytes())
    raw[raw.index(b'"index": 3,') + 9] ^= 1
    path.write_bytes(raw)
    state = run_sweep(bench.out, resume=True, workers=0, cache=False)
    assert state.simulated == 1 and state.damage is not None
    assert "5 points are kept, at least 1 lost" in state.damage.text()
    assert bench.table() == bench.table(whole)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be kept here"):
        Store(tmp_path / "file" / "s.sqlite")


def sweep(out: Path, *arguments: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """A sweep as a process that may write files of at most `limit` bytes."""

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [*COMMAND, "sweep", *arguments, "--workers", "0", "--no-cache"],
        env={**ENVIRONMENT, "NUMBA_DEBUG_CACHE": "0"},
        capture_output=True,
        text=True,
        preexec_fn=small_disk,
    )


def test_a_full_disk_ends_a_sweep_that_can_go_on(bench: Bench) -> None:
    """EFBIG, from a limit on the size of files."""
    bench.run(GRID, bench.folder / "warm")  # the compiled kernel is on disk before the disk is full
    whole = bench.folder / "whole"
    bench.run(MANY, whole, cache=False)
    full = sweep(bench.out, str(bench.file(MANY)), "--out", str(bench.out), limit=400_000)
    assert full.returncode == 2, full.stderr
    assert "no space left" in full.stderr and "--resume" in full.stderr
    assert "Traceback" not in full.stderr
    assert 0 < records(bench.out) < 64
    went_on = sweep(bench.out, str(bench.out), "--resume")
    assert went_on.returncode == 0, went_on.stderr
    assert bench.table() == bench.table(whole)


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk"
)
def test_a_small_disk(bench: Bench) -> None:
    """ENOSPC, from a file system of 500 kB."""
    disk = bench.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        whole, out = bench.folder / "whole", disk / "out"
        bench.run(MANY, whole, cache=False)
        full = sweep(out, str(bench.file(MANY)), "--out", str(out))
        assert full.returncode == 2 and "no space left" in full.stderr, full.stderr
        kept = records(out)
        assert 0 < kept < 64
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert sweep(out, str(out), "--resume").returncode == 0
        assert bench.table(out) == bench.table(whole)
        assert len(load_results(out)) == 64
    finally:
        subprocess.run(["umount", str(disk)], check=True)
