"""Fetch the wheel of a package without installing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def download(package: str, folder: Path) -> Path:
    """The wheel of `package` (name==version), fetched with pip into `folder`."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         "--dest", str(folder), package],
        check=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))
