"""Reading a trained BERT-like encoder (config.json and model.safetensors) for its trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, Location, nearest
from archsim.trace.encoder import ActivationName, EncoderConfig
from archsim.trace.forward import Parameters, TrainedEncoder

TABLES = {
    "embed.word": "embeddings.word_embeddings",
    "embed.position": "embeddings.position_embeddings",
    "embed.type": "embeddings.token_type_embeddings",
}
BLOCK = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm": "output.LayerNorm",
}
CONFIG_KEYS = {
    "blocks": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "token_types": "type_vocab_size",
}


def load_bert(folder: str | Path, head: Literal["mean", "pooler"] = "mean") -> TrainedEncoder:
    """Read a model in the layout of Hugging Face: config.json and model.safetensors.

    Needs the package `safetensors`. Raises InputError for files that are missing or broken, a
    model that is not a BERT with absolute positions, and tensors that are missing or of a wrong
    shape.
    """
    folder = Path(folder)
    config, epsilon = _read_config(folder / "config.json", head)
    tensors = _read_tensors(folder / "model.safetensors")
    parameters = _by_layer(config, tensors, folder / "model.safetensors")
    return TrainedEncoder(config, parameters, epsilon)


def _read_config(path: Path, head: Literal["mean", "pooler"]) -> tuple[EncoderConfig, float]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read the model's configuration: {error.strerror}.",
            str(path),
            "Name the folder that holds config.json and model.safetensors.",
        ) from None
    except ValueError as error:
        raise InputError(f"not JSON: {error}.", str(path), "Fetch the model again.") from None
    _expect(path, data, "model_type", ["bert"])
    _expect(path, {"position_embedding_type": "absolute"} | data, "position_embedding_type",
            ["absolute"])  # fmt: skip
    _expect(path, data, "hidden_act", ["gelu", "relu", "silu"])
    missing = [key for key in CONFIG_KEYS.values() if not isinstance(data.get(key), int)]
    if missing:
        raise InputError(
            f"{', '.join(missing)} should be given as whole numbers.",
            Location(str(path), key=missing[0]),
            "Fetch the model's configuration again.",
        )
    sizes = {name: int(data[key]) for name, key in CONFIG_KEYS.items()}
    activation = cast(ActivationName, data["hidden_act"])
    config = EncoderConfig(**sizes, activation=activation, head=head)
    return config, float(data.get("layer_norm_eps", 1e-12))


def _expect(path: Path, data: dict[str, Any], key: str, known: list[str]) -> None:
    value = data.get(key)
    if value not in known:
        raise InputError(
            f"{key} {value!r} is not supported here.",
            Location(str(path), key=key),
            f"Supported: {', '.join(known)}.",
        )


def _read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except OSError as error:
        raise InputError(
            f"cannot read the weights: {error.strerror or error}.",
            str(path),
            "Name the folder that holds config.json and model.safetensors.",
        ) from None
    except SafetensorError as error:
        raise InputError(
            f"not a whole safetensors file: {error}.", str(path), "Fetch the model again."
        ) from None
    return {name.removeprefix("bert."): array for name, array in tensors.items()}


def _by_layer(
    config: EncoderConfig, tensors: dict[str, NDArray[np.float32]], path: Path
) -> dict[str, Parameters]:
    def get(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if name not in tensors:
            raise InputError(
                f"the weights lack the tensor '{name}'.", str(path), nearest(name, tensors)
            )
        if tensors[name].shape != shape:
            raise InputError(
                f"the tensor '{name}' has shape {list(tensors[name].shape)}.",
                str(path),
                f"config.json asks for {list(shape)}.",
            )
        return tensors[name].astype(np.float32)

    def affine(name: str, *shape: int) -> Parameters:
        return Parameters(get(f"{name}.weight", shape), get(f"{name}.bias", shape[:1]))

    width, inner = config.width, config.feed_forward
    rows = (config.vocabulary, config.positions, config.token_types)
    found = {
        layer: Parameters(get(f"{name}.weight", (count, width)))
        for (layer, name), count in zip(TABLES.items(), rows, strict=True)
    }
    found["embed.norm"] = affine("embeddings.LayerNorm", width)
    shapes = {"up": (inner, width), "down": (width, inner)}
    shapes |= dict.fromkeys(("query", "key", "value", "output"), (width, width))
    scale = np.float32((width / config.heads) ** -0.5)
    for block in range(config.blocks):
        for layer, name in BLOCK.items():
            shape = shapes.get(layer, (width,))
            found[f"block{block}.{layer}"] = affine(f"encoder.layer.{block}.{name}", *shape)
        query = found[f"block{block}.query"]
        assert query.bias is not None
        found[f"block{block}.query"] = Parameters(query.weight * scale, query.bias * scale)
    if config.head == "pooler":
        found["pooler"] = affine("pooler.dense", width, width)
    return found
