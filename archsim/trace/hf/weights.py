"""The safetensors files of a model, one tensor at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest

Array = NDArray[np.float32]
Dims = tuple[int, ...]
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
FLOATS = ("F64", "F32", "F16", "BF16")
# Names that early checkpoints give to a norm's gain and bias.
OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}


class Weights:
    """Tensors by name, in one safetensors file or in shards with an index; read when asked for.

    The files are mapped, not loaded: what is in memory is the tensor in use.
    """

    def __init__(self, folder: str | Path, prefixes: Iterable[str] = ()):
        """Open the files of `folder`; `prefixes` are dropped from the tensors' names.

        Raises InputError for a folder without safetensors (a pickle is refused), a missing shard,
        a file that is not whole, and values that are not floating point.
        """
        self.folder = Path(folder)
        self._files: dict[str, Any] = {}
        self._shapes: dict[str, Dims] = {}
        self._places: dict[str, tuple[str, str]] = {}  # name: file, name in the file
        for file, wanted in _files(self.folder).items():
            self._open(file, wanted, tuple(prefixes))

    def _open(self, file: str, wanted: set[str], prefixes: tuple[str, ...]) -> None:
        from safetensors import SafetensorError, safe_open

        path = self.folder / file
        try:
            opened: Any = safe_open(str(path), framework="np")
        except FileNotFoundError:
            raise InputError(
                f"the shard '{file}' is missing.",
                str(self.folder / INDEX),
                "Fetch the model again, all shards of it.",
            ) from None
        except OSError as error:
            raise InputError(
                f"cannot read the weights: {error.strerror or error}.", str(path)
            ) from None
        except SafetensorError as error:
            raise InputError(
                f"not a whole safetensors file: {error}.", str(path), "Fetch the model again."
            ) from None
        self._files[file] = opened
        held = set(opened.keys())
        for lacking in sorted(wanted - held):
            raise InputError(
                f"the index places the tensor '{lacking}' in this shard, which lacks it.",
                str(path),
                "Fetch the model again.",
            )
        for name in held:
            piece = opened.get_slice(name)
            short = _short(name, prefixes)
            self._shapes[short] = tuple(piece.get_shape())
            self._places[short] = (file, name)

    @property
    def shapes(self) -> Mapping[str, Dims]:
        """Shape of every tensor by its name without prefix."""
        return self._shapes

    def check(self, name: str, shape: Dims) -> None:
        """InputError unless the tensor is there, floating point and of this shape."""
        if name not in self._shapes:
            raise InputError(
                f"the weights lack the tensor '{name}'.",
                str(self.folder),
                nearest(name, self._shapes) if len(self._shapes) < 50 else _near(name, self),
            )
        if self._shapes[name] != shape:
            raise InputError(
                f"the tensor '{name}' has shape {list(self._shapes[name])}.",
                self._file(name),
                f"config.json asks for {list(shape)}.",
            )
        kind = self._slice(name).get_dtype()
        if kind not in FLOATS:
            raise InputError(
                f"the tensor '{name}' holds {kind}, which is not floating point.",
                self._file(name),
                f"Supported: {', '.join(FLOATS)}; a quantised model has to be dequantised first.",
            )

    def get(self, name: str) -> Array:
        """A whole tensor as float32."""
        return _float32(self._slice(name)[:])

    def rows(self, name: str, index: NDArray[np.int64]) -> Array:
        """Rows of a table, shape (len(index), features), without loading the others."""
        table = self._slice(name)
        wanted, places = np.unique(index, return_inverse=True)
        found = [_float32(table[int(row) : int(row) + 1]) for row in wanted]
        picked: Array = np.concatenate(found)[places]
        return picked

    def _slice(self, name: str) -> Any:
        file, full = self._places[name]
        if self._files[file].get_slice(full).get_dtype() == "BF16":
            _require_bfloat16(self._file(name))
        return self._files[file].get_slice(full)

    def _file(self, name: str) -> str:
        return str(self.folder / self._places[name][0])


def _files(folder: Path) -> dict[str, set[str]]:
    """The safetensors files of a model, each with the tensors that an index places in it."""
    if (folder / SINGLE).exists():
        return {SINGLE: set()}
    index = folder / INDEX
    if not index.exists():
        raise _no_weights(folder)
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files: dict[str, set[str]] = {}
        for tensor, file in places.items():
            if Path(file).name != file:
                raise ValueError(f"'{file}' is not the name of a file beside it")
            files.setdefault(file, set()).add(tensor)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"not an index of shards: {error}.", str(index), "Fetch the model again."
        ) from None
    return files


def _no_weights(folder: Path) -> InputError:
    found = sorted(p.name for p in folder.glob("*") if p.suffix in PICKLES)
    if found:
        return refuse_pickle(folder / found[0])
    other = sorted(p.name for p in folder.glob("*.safetensors"))
    return InputError(
        f"the folder holds neither {SINGLE} nor {INDEX}"
        + (f" (it holds {', '.join(other[:3])})." if other else "."),
        str(folder),
        "Name the folder that holds config.json and model.safetensors.",
    )


def refuse_pickle(path: Path) -> InputError:
    """The error for weights in a pickle."""
    return InputError(
        "the weights are a pickle, and loading a pickle runs whatever code it holds; "
        "archsim reads safetensors only.",
        str(path),
        "Convert them where you trust the file: safetensors.torch.save_file(torch.load(file, "
        "weights_only=True), 'model.safetensors').",
    )


def _short(name: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        name = name.removeprefix(prefix)
    for old, new in OLD_NAMES.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return name


def _near(name: str, weights: Weights) -> str:
    hint = nearest(name, weights.shapes)
    return hint if hint.startswith("Did") else "Fetch the model again."


def _float32(values: NDArray[Any]) -> Array:
    return np.ascontiguousarray(values, dtype=np.float32)


def _require_bfloat16(path: str) -> None:
    try:
        import ml_dtypes  # noqa: F401  (registers bfloat16 with NumPy)
    except ImportError:
        raise InputError(
            "the weights are bfloat16, which takes the package 'ml_dtypes'.",
            path,
            "Install it with `pip install 'archsim[traces]'`.",
        ) from None
