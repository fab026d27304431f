"""Where compiled code is kept between runs."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class Compiled(NamedTuple):
    """The modules of compiled code that the engine calls."""

    kernel: ModuleType
    snapshot: ModuleType
    twins: ModuleType


def load_compiled() -> Compiled:
    """Compiled code; what was compiled with another version of what it uses is dropped first.

    Numba compiles a file anew when it changes, but not when one that it uses does.
    """
    prepare_cache()
    from archsim.engine import kernel, memory, snapshot, twins  # importing Numba takes 0.3 s

    if {kernel.stamp(), snapshot.snapshot_stamp()} != {memory.STAMP}:
        modules = [importlib.import_module(f"archsim.engine.{name}") for name in memory.COMPILED]
        for function in [f for module in modules for f in vars(module).values()]:
            if hasattr(function, "py_func"):
                function._cache.flush()
        *_, kernel, snapshot = [importlib.reload(module) for module in modules]
    return Compiled(kernel, snapshot, twins)


def prepare_cache() -> None:
    """Make sure that Numba can keep its compiled code, also if the package is read-only.

    Numba writes beside the package or, if it can't, into the user's cache directory, and fails if
    it can do neither; then a directory for temporary files has to do. NUMBA_CACHE_DIR wins.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    for folder in (Path(__file__).parent, Path(home).expanduser()):
        if _writable(folder):
            return
    user = os.getuid() if hasattr(os, "getuid") else "user"
    os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"archsim-{user}")


def _writable(folder: Path) -> bool:
    """True if files can be made in the folder or in its nearest existing parent."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)
