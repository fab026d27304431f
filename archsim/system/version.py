"""Which archsim this is: the version, and the commit that it was built or is run from."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_NOTE = Path(__file__).with_name("commit.txt")  # written by setup.py


def commit() -> str | None:
    """Ten digits of the commit, with `-dirty` where files differ from it; None if not known."""
    if _NOTE.is_file():
        return _NOTE.read_text(encoding="utf-8").strip() or None
    if not (_PACKAGE.parent / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=_PACKAGE.parent, capture_output=True, text=True, check=False, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
