"""What a forward pass needs of a config.json beside the sizes (archsim.models.hf_config)."""

from __future__ import annotations

from pathlib import Path

from archsim.documents import load_document
from archsim.errors import InputError
from archsim.models.hf_config import Keys, other_type, refuse_quantised


def read_config(folder: Path, known: list[str]) -> Keys:
    """The keys of folder/config.json; InputError unless its `model_type` is one of `known`."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            "there is no config.json.",
            str(path),
            "Name the folder that holds config.json and model.safetensors.",
        )
    document = load_document(path)
    if not isinstance(document.data, dict):
        raise InputError("not a JSON object.", str(path), "Fetch the model again.")
    keys = Keys(document)
    kind = document.data.get("model_type")
    if kind not in known:
        hint = other_type(str(kind), known)
        raise keys.error(
            "model_type",
            f"the model type {kind!r} has no forward pass here.",
            f"{hint} Shapes of others: archsim trace export hf-config, or export it as ONNX.",
        )
    refuse_quantised(keys)
    return keys
