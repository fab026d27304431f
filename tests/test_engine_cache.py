"""Several processes at once share one cache of compiled code, wherever it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import archsim
from archsim.bench.programs import contended
from archsim.engine import run_program

PACKAGE = Path(archsim.__file__).parent
CODE = """
from archsim.bench.programs import contended
from archsim.engine import run_program
print(run_program(contended(4, 30)).digest())
"""
# Root may write to anything; without this capability it is a user like others.
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(UNPRIVILEGED) and shutil.which("setpriv") is None,
        reason="root needs setpriv to be kept from writing",
    ),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty directory; what is read-only in it at the end is removed too."""
    path = Path(tempfile.mkdtemp(prefix="archsim-cache-"))
    yield path
    for entry in path.rglob("*"):
        if entry.is_dir():
            entry.chmod(0o755)
    shutil.rmtree(path)


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*UNPRIVILEGED, sys.executable, "-c", CODE],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )


def digests(environment: dict[str, str], processes: int) -> set[str]:
    """The digests that several processes print which are started together."""
    running = [start(environment) for _ in range(processes)]
    found = set()
    for process in running:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found.add(output.strip())
    return found


def compiled(folder: Path) -> dict[Path, int]:
    """The files of a cache and when each was written."""
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.suffix in (".nbi", ".nbc")}


def share(environment: dict[str, str], cache: Path) -> None:
    """Three processes fill a cache together; the next one finds everything there."""
    expected = {run_program(contended(4, 30)).digest()}
    assert digests(environment, 3) == expected
    files = compiled(cache)
    assert files
    assert digests(environment, 1) == expected
    assert compiled(cache) == files


def test_processes_share_an_empty_cache_directory(folder: Path) -> None:
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(folder),
        "PYTHONPATH": str(PACKAGE.parent),
    }
    share(environment, folder)


def test_processes_share_the_fallback_of_a_read_only_package(folder: Path) -> None:
    """Neither the package nor a home can be written to: the cache is among the temporary files."""
    copy, temporary, home = folder / "package" / "archsim", folder / "tmp", folder / "home"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    temporary.mkdir()
    home.mkdir()
    for path in [home, copy.parent, *copy.parent.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    } | {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(copy.parent)}
    share(environment, temporary / f"archsim-{os.getuid()}")
    assert not compiled(copy)
