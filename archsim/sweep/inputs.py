"""What every point of a sweep is made from: the base architecture and the traces, in memory."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archsim.arch.load import arch_from_document
from archsim.arch.model import Architecture
from archsim.documents import Document, load_document
from archsim.errors import InputError
from archsim.sweep.paths import canonical, content_path
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Trace

Sets = Mapping[str, Any]
_TEXTS = {"source", "sources", "name", "description", "references"}


@dataclass(frozen=True)
class Inputs:
    """The base architecture as a document, and the traces by the name the sweep gives them."""

    arch: Document
    traces: dict[str, Trace]
    _variants: dict[str, Trace] = field(default_factory=dict, repr=False, compare=False)

    def arch_with(self, sets: Sets) -> Architecture:
        """The base architecture with values set by path; InputError if that is not valid."""
        data = self.arch.data
        if "derived" in data:  # what a point sets is not worked out again
            kept = {k: v for k, v in data["derived"].items() if canonical(k) not in sets}
            data = {**data, "derived": kept}
        for path, value in sets.items():
            data = with_value(data, content_path(path), value)
        return arch_from_document(Document(self.arch.path, data, self.arch.root))

    def trace_with(self, name: str, sets: Sets) -> Trace:
        """A trace with values set by path; InputError if that is not valid. Variants are kept."""
        if not sets:
            return self.traces[name]
        key = json.dumps([name, sets], sort_keys=True)
        if key not in self._variants:
            self._variants[key] = _variant(self.traces[name], sets)
        return self._variants[key]


def _variant(trace: Trace, sets: Sets) -> Trace:
    data = trace.model_dump(mode="json", exclude_none=True)
    for path, value in sets.items():
        group = path.split(".")[0]
        if group in ("inputs", "layers"):
            # A layer's name may hold dots, so that it is not simply the next part of the path.
            entry = next(e for e in data[group] if path.startswith(f"{group}.{e['name']}."))
            rest = path.removeprefix(f"{group}.{entry['name']}.")
            entry.update(with_value(entry, tuple(rest.split(".")), value))
        else:
            data = with_value(data, tuple(path.split(".")), value)
    # The checks of a trace are those of a file; reading one back keeps them in one place.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "variant.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        return load_trace(file)


def with_value(data: Any, keys: tuple[str, ...], value: Any) -> Any:
    """A copy of nested dicts with one value set; what is not on the way is shared."""
    if not keys:
        return value
    below = data.get(keys[0], {}) if isinstance(data, dict) else {}
    return {**data, keys[0]: with_value(below, keys[1:], value)}


def numbers_only(data: Any) -> Any:
    """An architecture's content without names, descriptions and sources, order kept.

    The order counts: where two components of one kind would do, the first is taken.
    """
    if not isinstance(data, dict):
        return data
    return {
        key: numbers_only(value)
        for key, value in data.items()
        if key not in _TEXTS or (isinstance(value, dict) and "kind" in value)
    }


def load_inputs(arch: Path, traces: Mapping[str, Path]) -> Inputs:
    """Read and check the base architecture and the traces; InputError."""
    document = load_document(arch)
    arch_from_document(document)
    return Inputs(document, {name: load_trace(path) for name, path in traces.items()})


def save_inputs(inputs: Inputs, folder: Path) -> None:
    """Keep a copy of all inputs, so that a sweep can go on when the originals have changed."""
    from archsim.system.atomic import write_text

    write_text(folder / "arch.json", json.dumps(inputs.arch.data, indent=1))
    for i, trace in enumerate(inputs.traces.values()):
        save_trace(trace, folder / f"trace-{i}.json")


def stored_inputs(folder: Path, names: list[str]) -> Inputs:
    """The inputs that `save_inputs` wrote, for traces of these names."""
    return load_inputs(
        folder / "arch.json", {name: folder / f"trace-{i}.json" for i, name in enumerate(names)}
    )


def fault_text(fault: InputError) -> str:
    """An InputError as the reason of an invalid point: key, fault and fix, without the file."""
    key = fault.where.key if fault.where is not None else None
    text = f"{canonical(key)}: {fault.what}" if key else fault.what
    return f"{text} {fault.fix}" if fault.fix else text


@functools.cache
def tool_version() -> str:
    """The version of archsim and a hash of the code that a result depends on.

    Everything but the command line, reports, pictures, benchmarks and this package counts.
    """
    import archsim

    root = Path(archsim.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if name.parts[0] not in ("cli", "report", "html", "plots", "bench", "sweep"):
            digest.update(f"{name}\0".encode() + path.read_bytes())
    return f"{archsim.__version__}+{digest.hexdigest()[:16]}"
