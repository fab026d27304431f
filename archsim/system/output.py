"""Result directories: they appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from archsim.errors import InputError

RESULT_FILE = "result.json"
"""The file that marks a directory as the output of a run."""


def check_directory(path: str | Path, *, force: bool = False, marker: str = RESULT_FILE) -> Path:
    """Where a result directory will stand, checked before any work is done for it.

    The place must be free, an empty directory or, with `force`, the directory of an earlier run,
    which holds a file `marker`.
    Nothing is created. Raises InputError.
    """
    try:
        target = Path(path).resolve()
        _check_free(target, str(path), force, marker)
        _check_parent(target, str(path))
    except OSError as fault:
        raise _unusable(str(path), fault) from None
    except RuntimeError:  # resolve() gives this for a loop of symbolic links
        raise InputError(
            "this is a loop of symbolic links.", str(path), "Choose another directory."
        ) from None
    return target


def write_directory(
    path: str | Path,
    files: Mapping[str, str],
    *,
    force: bool = False,
    marker: str = RESULT_FILE,
) -> None:
    """Write text files (UTF-8) into a new directory under a temporary name, then rename it.

    Missing parents are created. Whatever goes wrong before the rename, nothing is left behind, and
    an earlier run that `force` replaces is still there. Raises InputError.
    """
    target = check_directory(path, force=force, marker=marker)
    temporary = _beside(target, "tmp")
    made: list[Path] = []
    try:
        _make_parents(target.parent, made)
        temporary.mkdir()
        for name, text in files.items():
            (temporary / name).write_text(text, encoding="utf-8", newline="")
        with _undisturbed():
            _put_in_place(temporary, target)
    except BaseException as fault:
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(fault, OSError):
            raise _unusable(str(path), fault) from None
        raise


def _check_free(target: Path, shown: str, force: bool, marker: str) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError("this is a file, not a directory.", shown, "Choose another name.")
    here = Path.cwd()
    if target == here or target in here.parents:
        raise InputError(
            "this is the current directory or one above it, which can't be replaced.",
            shown,
            "Name a directory of its own for the results.",
        )
    held = sorted(os.listdir(target))
    if marker in held and not force:
        raise InputError(
            "the directory holds another run.", shown, "Choose another, or replace it by --force."
        )
    if held and marker not in held:
        raise InputError(
            f"the directory is not empty and holds no run: '{held[0]}' is in it.",
            shown,
            "Choose another; --force replaces only the directory of a run.",
        )


def _check_parent(target: Path, shown: str) -> None:
    parent = target.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise InputError(f"'{parent}' is a file, not a directory.", shown, "Choose another place.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"there is no permission to write in '{parent}'.", shown, "Choose another place."
        )


def _make_parents(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        made.append(each)


def _put_in_place(temporary: Path, target: Path) -> None:
    if not (target.exists() and os.listdir(target)):
        os.replace(temporary, target)  # an empty directory gives way
        return
    old = _beside(target, "old")
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.{ending}")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold back Ctrl-C for the moment in which an old directory gives way to a new one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unusable(shown: str, fault: OSError) -> InputError:
    return InputError(
        f"the results can't be written here: {fault.strerror or fault}.",
        shown,
        "Choose a directory that can be written.",
    )
