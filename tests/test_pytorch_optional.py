"""torch is optional: archsim works without it, and says so where it is needed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import archsim
from archsim.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


def test_importing_archsim_imports_no_torch() -> None:
    code = (
        "import sys, archsim, archsim.cli.main; archsim.load_trace; archsim.simulate; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_trace_module_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without(name: str, *args: Any) -> Any:
        return None if name == "torch" else find(name, *args)

    for name in [one for one in sys.modules if one.startswith("archsim.trace.pytorch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(InputError, match=r"'torch', which is not installed.*archsim\[torch\]"):
        archsim.trace_module  # noqa: B018  (the import is what is tested)
