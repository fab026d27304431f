"""Writing to stdout, which may be closed, full, or of a narrow encoding."""

from __future__ import annotations

import os
import sys

from archsim.errors import InputError


def write(text: str) -> None:
    """Write text and a newline; what the encoding lacks becomes an escape.

    Raises BrokenPipeError if the reader went away, InputError if the text can't be stored.
    """
    encoding = sys.stdout.encoding or "utf-8"
    safe = text.encode(encoding, "backslashreplace").decode(encoding)
    flush(f"{safe}\n")


def flush(text: str = "") -> None:
    """Write text as it is and empty the buffer; raises as `write` does."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon()
        raise
    except OSError as fault:
        abandon()
        raise InputError(
            f"the output can't be written: {fault.strerror or fault}.", "stdout"
        ) from None


def ensure_streams() -> None:
    """Give the program the streams that it was started without (`>&-`)."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end


def abandon() -> None:
    """Give stdout another end, so that Python's own flush at exit stays silent."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
