"""Write files so that nothing half-written is ever read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from archsim.errors import InputError


def write_text(path: str | Path, text: str) -> None:
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
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
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
