"""Write files so that nothing half-written is ever read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from archsim.errors import InputError


def check_file(path: str | Path, endings: Sequence[str]) -> Path:
    """Where a file will be written, checked before any work is done for it.

    Its name must have one of the endings and its folder must exist. Raises InputError.
    """
    target = Path(path)
    if target.suffix.lower() not in endings:
        raise InputError(
            f"the ending '{target.suffix}' is not known here.",
            str(path),
            f"Use one of {', '.join(endings)}.",
        )
    if target.is_dir():
        raise InputError("this is a directory, not a file.", str(path), "Name a file in it.")
    if not target.parent.is_dir():
        raise InputError(
            f"there is no folder '{target.parent}'.", str(path), "Make it, or choose another."
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"there is no permission to write in '{target.parent}'.",
            str(path),
            "Choose another folder.",
        )
    return target


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write to a temporary name in the same directory, then rename.

    Makes missing directories. InputError if the place cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _refusal(target, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _refusal(target, error) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _refusal(target: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write here: {error.strerror or error}.",
        str(target),
        "Choose a folder that can be written.",
    )
