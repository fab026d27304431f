"""Results of points in the user's cache directory, so that no sweep simulates them again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.sweep.store import Store

VARIABLE = "ARCHSIM_SWEEP_CACHE"
OFF = "off"


def cache_path() -> Path | None:
    """Where the cache is: ARCHSIM_SWEEP_CACHE, or the user's cache directory; None if `off`."""
    given = os.environ.get(VARIABLE, "")
    if given.lower() == OFF:
        return None
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(given or f"{home}/archsim/points.sqlite").expanduser()


class Cache:
    """Figures by content hash. A cache that cannot be used is none: it never stops a sweep."""

    def __init__(self, wanted: bool) -> None:
        self._store: Store | None = None
        path = cache_path()
        if wanted and path is not None:
            with contextlib.suppress(InputError):
                self._store = Store(path, verify=False)

    def get(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The figures of those keys that are known."""
        if self._store is None:
            return {}
        return self._guarded(lambda store: store.get(keys)) or {}

    def put(self, figures: Mapping[str, dict[str, Any]]) -> None:
        """Keep figures by key."""
        if figures:
            self._guarded(lambda store: store.put(figures))

    def close(self) -> None:
        """Let go of the file."""
        if self._store is not None:
            self._store.close()

    def _guarded(self, action: Any) -> Any:
        import sqlite3

        if self._store is None:
            return None
        try:
            return action(self._store)
        except (sqlite3.Error, InputError) as fault:  # locked, full or damaged
            self._store.close()
            if not isinstance(fault, sqlite3.OperationalError | InputError):
                with contextlib.suppress(InputError, sqlite3.Error):
                    Store(self._store.path).close()  # keeps what is intact, for the next sweep
            self._store = None
            return None
