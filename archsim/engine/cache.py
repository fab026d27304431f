"""Where compiled code is kept between runs."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from types import ModuleType


def load_kernel() -> ModuleType:
    """The compiled kernel; code that was compiled for another memory layout is dropped first."""
    prepare_cache()
    from archsim.engine import kernel, memory, queues  # importing Numba takes 0.3 s

    if kernel.stamp() != memory.STAMP:
        for function in {**vars(queues), **vars(kernel)}.values():
            if hasattr(function, "py_func"):
                function._cache.flush()
        importlib.reload(queues)
        kernel = importlib.reload(kernel)
    return kernel


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
