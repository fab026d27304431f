"""The wheel and the sdist hold what a user needs, and work in an empty environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import archsim
from archsim.system import shipped

ROOT = Path(__file__).parent.parent
LEFT_OUT = (".venv", "build", "results", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")

pytestmark = pytest.mark.slow


def build(source: Path, kind: str, to: Path) -> Path:
    """The wheel or sdist that setuptools makes of a folder."""
    called = f"from setuptools import build_meta as b; print(b.build_{kind}({str(to)!r}))"
    made = subprocess.run(
        [sys.executable, "-c", called],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return to / made.stdout.split()[-1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist of this checkout, and the wheel made of the unpacked sdist."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT, folder / "checkout", ignore=shutil.ignore_patterns(*LEFT_OUT))
    sdist = build(folder / "checkout", "sdist", folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return sdist, build(source, "wheel", folder)


def test_the_wheel_holds_all_code_and_all_shipped_files(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"archsim-{archsim.__version__}.dist-info/METADATA").decode()
        commit = wheel.read("archsim/system/commit.txt").decode().strip() if (
            ROOT / ".git"
        ).exists() else ""  # fmt: skip
    code = {str(p.relative_to(ROOT)) for p in (ROOT / "archsim").rglob("*.py")}
    assert code <= names
    for folder in (*shipped.EXAMPLES, shipped.DOCUMENTS):
        own = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file()}
        assert {f"archsim/shipped/{name}" for name in own} <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"archsim", f"archsim-{archsim.__version__}.dist-info"}
    assert "License-File: LICENSE" in metadata and "# archsim" in metadata
    assert not (ROOT / ".git").exists() or len(commit.removesuffix("-dirty")) >= 10


def test_the_sdist_can_be_tested(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for name in (
        "Makefile",
        "requirements/dev.txt",
        "tests/test_package.py",
        "scripts/versions.sh",
    ):
        assert name in names
    assert not [name for name in names if "/__pycache__" in name]


def test_an_empty_environment_runs_shipped_files_by_name(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    run = tmp_path / "env" / "bin"
    elsewhere = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def call(*command: object) -> str:
        done = subprocess.run(
            [str(word) for word in command], cwd=tmp_path, env=elsewhere, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    pip = (run / "python", "-m", "pip", "install", "--quiet", "--no-compile")
    call(*pip, "--require-hashes", "-r", ROOT / "requirements" / "base.txt")
    call(*pip, "--no-deps", built[1])
    # the reference engine: nothing to compile
    by_name = call(run / "archsim", "run", "teaching", "teaching", "--engine=reference", "--json")
    here = archsim.simulate("teaching", "teaching", engine="reference")
    assert json.loads(by_name)["latency_s"] == here.latency_s
    call(run / "archsim", "validate", "isaac_vpu", "minilm_l6", "adc_vs_array", "my_comparison")
    assert "halora" in call(run / "archsim", "reproduce")
    assert "A100" in call(run / "archsim", "gpu", "show", "a100")
    assert "Timing" in call(run / "archsim", "help", "timing")
    call(run / "archsim", "examples", "--copy", "mine")
    call(run / "archsim", "validate", "mine/arch_configs/isaac.yaml")
    if (ROOT / ".git").exists():
        assert "(" in call(run / "archsim", "--version")
