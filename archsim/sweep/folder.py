"""The folder of a sweep: the sweep itself, copies of its inputs, and the results as they come.

sweep.json       the sweep as it was read
inputs/          base architecture and traces
points.sqlite    one record per point
results.csv      the final table, when all points are done
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archsim.documents import Document, load_document
from archsim.errors import InputError
from archsim.sweep.inputs import Inputs, load_inputs, save_inputs, stored_inputs
from archsim.sweep.model import Sweep, load_sweep
from archsim.system.atomic import write_text

SWEEP_FILE, INPUTS, STORE, TABLE, LOCK = (
    "sweep.json", "inputs", "points.sqlite", "results.csv", "lock",
)  # fmt: skip


def is_sweep_folder(path: Path) -> bool:
    """Whether a folder holds a sweep."""
    return (path / SWEEP_FILE).is_file()


Loaded = tuple[Sweep, Document, Inputs]


def read(path: Path) -> Loaded:
    """The sweep of a file with its inputs; InputError."""
    sweep, document = load_sweep(path)
    return sweep, document, _given_inputs(sweep, document)


def check(out: Path, sweep: Sweep, document: Document, inputs: Inputs, *, resume: bool) -> None:
    """InputError if the results of a sweep can't be put into a folder.

    With `resume` the folder may hold the same sweep already.
    """
    if not is_sweep_folder(out):
        _check_free(out)
        return
    _check_same(document.data, inputs, sweep, out)
    if not resume:
        raise InputError(
            "the folder holds results of this sweep.",
            str(out),
            f"Go on with `archsim sweep {out} --resume`, or choose another folder.",
        )


def make(out: Path, sweep: Sweep, document: Document, inputs: Inputs) -> None:
    """Make the folder of a sweep, whole or not at all, unless it is there. Raises InputError."""
    if is_sweep_folder(out):
        return
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_inputs(inputs, temporary / INPUTS)
        write_text(temporary / SWEEP_FILE, json.dumps(document.data, indent=2) + "\n")
        os.replace(temporary, out)  # an empty folder gives way
    except OSError as fault:
        raise InputError(
            f"the folder can't be made: {fault.strerror or fault}.",
            str(out),
            "Choose a place that can be written and has room.",
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def reopen(out: Path) -> Loaded:
    """The sweep of a results folder and its stored inputs; InputError if it holds none."""
    if not is_sweep_folder(out):
        what = "this folder holds no sweep." if out.is_dir() else "there is no such folder."
        raise InputError(what, str(out), "Give the folder that --out named.")
    sweep, document = load_sweep(out / SWEEP_FILE)
    return sweep, document, stored_inputs(out / INPUTS, sweep.traces)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other processes from working on a folder; the system lets go if this one is killed."""
    with open(out / LOCK, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                "another process is working on this folder.", str(out), "Wait for it, or stop it."
            ) from None
        yield


def _given_inputs(sweep: Sweep, document: Document) -> Inputs:
    folder = document.path.parent
    names = [(("arch",), sweep.arch)]
    names += [(("traces", i), name) for i, name in enumerate(sweep.traces)]  # type: ignore[misc]
    for key, name in names:
        if not (folder / name).is_file():
            raise InputError(
                f"there is no file '{folder / name}'.",
                document.location(key),
                "Write the path from the folder of the sweep file.",
            )
    return load_inputs(folder / sweep.arch, {name: folder / name for name in sweep.traces})


def _check_same(data: Any, inputs: Inputs, sweep: Sweep, out: Path) -> None:
    here = load_document(out / SWEEP_FILE).data
    if data != here:
        differing = sorted(k for k in {*data, *here} if data.get(k) != here.get(k))
        raise InputError(
            f"the folder holds another sweep: {', '.join(differing)} differ.",
            str(out),
            "Choose another folder.",
        )
    stored = stored_inputs(out / INPUTS, sweep.traces)
    changed = [sweep.arch] if stored.arch.data != inputs.arch.data else []
    changed += [name for name in sweep.traces if stored.traces[name] != inputs.traces[name]]
    if changed:
        raise InputError(
            f"the folder holds this sweep with other contents of {', '.join(changed)}.",
            str(out),
            f"Choose another folder, or go on with the old contents: `archsim sweep {out} "
            "--resume`.",
        )


def _check_free(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError("this is a file, not a folder.", str(out), "Choose another name.")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(
            "the folder is not empty and holds no sweep.", str(out), "Choose another folder."
        )
