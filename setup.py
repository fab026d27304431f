"""What setup.cfg cannot say: files at the top of the checkout that stand in the package once built.

archsim/system/shipped.py finds them in either place.
"""

import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
SHIPPED = ("arch_configs", "traces", "workloads", "experiments", "sweeps", "docs")
COMMIT = Path("archsim", "system", "commit.txt")


def write_commit(base: Path) -> None:
    """Note the commit of the checkout; an unpacked sdist has the note already."""
    if (HERE / ".git").exists():
        command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            (base / COMMIT).write_text(done.stdout, encoding="utf-8")


class BuildWithShipped(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        base = Path(self.build_lib)
        for folder in SHIPPED:
            target = base / "archsim" / "shipped" / folder
            shutil.rmtree(target, ignore_errors=True)  # build/ may hold files that are gone
            shutil.copytree(HERE / folder, target)
        if (HERE / COMMIT).exists():
            shutil.copy(HERE / COMMIT, base / COMMIT)
        write_commit(base)


class SdistWithCommit(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_commit(Path(base_dir))


setup(cmdclass={"build_py": BuildWithShipped, "sdist": SdistWithCommit})
