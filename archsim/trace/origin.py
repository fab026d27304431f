"""How a trace was made, so that it can be told whether a model is still the one that it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from archsim.errors import InputError
from archsim.schema import Model

PACKAGES = ("archsim", "torch", "transformers", "onnx", "onnxruntime")
CHUNK = 1 << 20
WEIGHTS = ("*.safetensors",)


class Origin(Model):
    """The command, the versions of the packages that read the model, and the model's content."""

    command: str
    versions: dict[str, str]
    sha256: Annotated[
        str,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="of a file's bytes, of a folder's config.json and weights, or of tensors",
        ),
    ]


def origin(command: str, sha256: str) -> Origin:
    """The origin of a trace that is made now, with the versions that are installed."""
    return Origin(command=command, versions=versions(), sha256=sha256)


def versions() -> dict[str, str]:
    """Installed versions of the packages that read models."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def file_hash(path: Path) -> str:
    """SHA-256 of a file, and of data files beside an ONNX model that are named after it."""
    sha = hashlib.sha256()
    for one in (path, *sorted(path.parent.glob(f"{path.name}.data"))):
        _read_into(sha, one)
    return sha.hexdigest()


def folder_hash(folder: Path) -> str:
    """SHA-256 of the config.json and the weights of a model's folder, by name."""
    files = [folder / "config.json", *sorted(f for p in WEIGHTS for f in folder.glob(p))]
    if not files[0].is_file() or len(files) < 2:
        raise InputError(
            "the folder has no config.json with *.safetensors beside it.",
            str(folder),
            "Name the folder, or the file, that the trace was made from.",
        )
    sha = hashlib.sha256()
    for one in files:
        sha.update(one.name.encode())
        _read_into(sha, one)
    return sha.hexdigest()


def tensors_hash(tensors: Iterable[tuple[str, Any]]) -> str:
    """SHA-256 of named arrays: names, types, shapes and bytes, in the order of the names.

    Each array is whatever `numpy.asarray` takes, or raw bytes.
    """
    sha = hashlib.sha256()
    for name, values in sorted(tensors, key=lambda pair: pair[0]):
        sha.update(name.encode())
        if isinstance(values, bytes):
            sha.update(values)
            continue
        array = np.ascontiguousarray(values)
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def model_hash(path: str | Path) -> str:
    """SHA-256 of a model on disk, a file or a folder; InputError if there is none."""
    path = Path(path)
    try:
        if path.is_dir():
            return folder_hash(path)
        if path.is_file():
            return file_hash(path)
    except OSError as fault:
        raise InputError(f"can't be read: {fault.strerror}.", str(path)) from None
    raise InputError("there is no such model.", str(path), "Name an ONNX file or a folder.")


def _read_into(sha: Any, path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            sha.update(block)
