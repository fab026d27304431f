"""A folder in the layout of Hugging Face, through the modules of transformers itself."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.trace.model import Trace
from archsim.trace.pytorch.tracing import trace_module
from archsim.trace.quantiser import Quantiser


def trace_folder(
    folder: str | Path,
    tokens: NDArray[np.int64],
    *,
    name: str | None = None,
    data: str = "token ids given to trace_folder",
    quantiser: Quantiser | None = None,
) -> Trace:
    """The trace of a model of any architecture that transformers has, on one passage of tokens.

    tokens: ids, shape (T,). The architecture is the first that config.json names; weights are read
    from safetensors alone, and no code of the folder is run. Raises InputError for a folder that
    transformers cannot load, and as trace_module does.
    """
    folder = Path(folder)
    keys = _config(folder)
    if keys.get("quantization_config"):
        method = keys["quantization_config"].get("quant_method", "unknown")
        raise InputError(
            f"the weights are quantised ({method}), which is not read through transformers.",
            str(folder / "config.json"),
            "Use the folder of the model before it was quantised.",
        )
    module = _load(folder, keys)
    vocabulary = getattr(module.config, "vocab_size", None)
    if vocabulary is not None and not 0 <= tokens.min() <= tokens.max() < vocabulary:
        raise InputError(
            f"the token ids run from {tokens.min()} to {tokens.max()}.",
            str(folder),
            f"This model's are 0 to {vocabulary - 1}: use its own tokeniser.",
        )
    inputs: dict[str, Any] = {"input_ids": torch.from_numpy(tokens.astype(np.int64))[None]}
    if getattr(module.config, "is_encoder_decoder", False):
        start = getattr(module.config, "decoder_start_token_id", None) or 0
        inputs["decoder_input_ids"] = torch.full_like(inputs["input_ids"], start)
    if hasattr(module.config, "use_cache"):
        inputs["use_cache"] = False
    label = name or folder.resolve().name
    return trace_module(module, inputs, name=label, data=data, quantiser=quantiser)


def knows(folder: str | Path) -> bool:
    """True if transformers is installed and has the folder's type of model."""
    if find_spec("transformers") is None:
        return False
    import transformers

    try:
        return _config(Path(folder)).get("model_type") in transformers.CONFIG_MAPPING
    except InputError:
        return False


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise InputError(f"can't be read: {fault}.", str(path), "Fetch the model again.") from None
    if not isinstance(found, dict):
        raise InputError("not a JSON object.", str(path), "Fetch the model again.")
    return found


def _load(folder: Path, keys: dict[str, Any]) -> Any:
    import transformers

    names = keys.get("architectures") or ["AutoModel"]
    kind = getattr(transformers, str(names[0]), None)
    if kind is None:
        raise InputError(
            f"transformers {transformers.__version__} has no {names[0]}.",
            str(folder / "config.json"),
            "Install the version that the model asks for, or export it as ONNX.",
        )
    try:
        module = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except Exception as fault:  # whatever a broken folder makes of transformers
        text = str(fault).strip().splitlines()
        raise InputError(
            f"transformers can't load it: {text[0] if text else type(fault).__name__}",
            str(folder),
            "Fetch the model again.",
        ) from fault
    return module.eval()
