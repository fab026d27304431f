"""All property tests again, with seeds that nobody has seen: five times as many examples.

A seed that fails is in the message; what it finds becomes an @example of its test.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("seed", [secrets.randbits(32) for _ in range(5)], ids=range(5))
def test_property_tests_hold_with_fresh_seeds(seed: int) -> None:
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-m", "hypothesis and not slow"]
    done = subprocess.run(
        [*pytest_command, "--hypothesis-profile=fresh", f"--hypothesis-seed={seed}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"--hypothesis-seed={seed}\n{done.stdout[-6000:]}"
