"""Values of measures by content hash, so that a run that was interrupted goes on where it was."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from archsim.errors import InputError
from archsim.system.atomic import write_text

VARIABLE = "ARCHSIM_REPRODUCE_CACHE"
OFF = "off"


def cache_folder() -> Path | None:
    """ARCHSIM_REPRODUCE_CACHE, or a folder in the user's cache directory; None if `off`."""
    given = os.environ.get(VARIABLE, "")
    if given.lower() == OFF:
        return None
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(given or f"{home}/archsim/reproduce").expanduser()


class Store:
    """One small file per value. A folder that cannot be used is none: it never stops a run."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, float] = {}

    def get(self, key: str) -> float | None:
        """The value of a key, or None."""
        if key not in self._known and self._folder is not None:
            try:
                found = json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
                self._known[key] = float(found["value"])
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._known.get(key)

    def put(self, key: str, value: float) -> None:
        """Keep a value, written under a temporary name first."""
        self._known[key] = value
        if self._folder is None or not math.isfinite(value):
            return
        try:
            write_text(self._folder / f"{key}.json", json.dumps({"value": value}) + "\n")
        except InputError:
            self._folder = None
