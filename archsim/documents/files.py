"""Reading the text of an input file, with a clear error for each way that can fail."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from archsim.errors import InputError, Location, nearest

SUFFIXES = (".yaml", ".yml", ".json")
"""Endings that a document's name may have."""

_LISTED = 10


def read_text(path: Path, asked_by: Location | None = None) -> str:
    """The UTF-8 text of a file.

    asked_by: the place that names the file, when that is another file; errors stand there.
    Raises InputError when the file cannot be read as text or has an unknown suffix.
    """

    def error(what: str, fix: str | None = None, line: int | None = None) -> InputError:
        if asked_by is not None and line is None:
            return InputError(f"cannot include '{path}': {what}", asked_by, fix)
        return InputError(what, Location(str(path), line), fix)

    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise error("this is a directory, not a file.", _offer(path, ""))
        if path.suffix.lower() not in SUFFIXES:
            raise error(
                f"the ending '{path.suffix}' is not known.", f"Use one of {', '.join(SUFFIXES)}."
            )
        if not stat.S_ISREG(mode):
            raise error("this is not a regular file.")
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise error("there is no such file.", _offer(path.parent, path.name)) from None
    except PermissionError:
        raise error("there is no permission to read it.", "Check the file's mode.") from None
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise error(f"it cannot be read: {reason}.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(
            f"not UTF-8 text: byte 0x{raw[fault.start]:02x}.",
            "Save the file as UTF-8.",
            raw.count(b"\n", 0, fault.start) + 1,
        ) from None
    if not text.strip():
        raise error("the file is empty.", "Write at least one key.")
    return text


def _offer(directory: Path, name: str) -> str | None:
    try:
        found = [
            entry.name
            for entry in os.scandir(directory)
            if entry.name.lower().endswith(SUFFIXES) and entry.is_file()
        ]
    except OSError:
        return f"The directory '{directory}' does not exist or cannot be read."
    if not found:
        return f"The directory '{directory}' holds no {', '.join(SUFFIXES)} file."
    offer = nearest(name, found)
    return offer if len(found) <= _LISTED or offer.startswith("Did you mean") else None
