"""Small models with random weights in the layout of Hugging Face, and their equations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float64]
Tensors = dict[str, NDArray[np.float32]]
BERT: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "num_hidden_layers": 2,
    "hidden_size": 12,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "vocab_size": 30,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-5,
}
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_act": "silu",
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "vocab_size": 30,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 100.0,
    "tie_word_embeddings": True,
}


def bert_tensors(config: dict[str, Any], seed: int) -> Tensors:
    """Weights under the names of Hugging Face's BERT."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
    }
    affine = {"embeddings.LayerNorm": (width,), "pooler.dense": (width, width)}
    for i in range(config["num_hidden_layers"]):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            affine[f"encoder.layer.{i}.attention.{part}"] = (width, width)
        affine[f"encoder.layer.{i}.attention.output.LayerNorm"] = (width,)
        affine[f"encoder.layer.{i}.intermediate.dense"] = (inner, width)
        affine[f"encoder.layer.{i}.output.dense"] = (width, inner)
        affine[f"encoder.layer.{i}.output.LayerNorm"] = (width,)
    for name, shape in affine.items():
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]
    return _random(shapes, seed)


def llama_tensors(config: dict[str, Any], seed: int) -> Tensors:
    """Weights under the names of Hugging Face's Llama and, with biases, Qwen2."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    shared = width // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], width),
        "model.norm.weight": (width,),
    }
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}"
        for part, rows in (("q", width), ("k", shared), ("v", shared), ("o", width)):
            shapes[f"{at}.self_attn.{part}_proj.weight"] = (rows, width)
            if config["model_type"] == "qwen2" and part != "o":
                shapes[f"{at}.self_attn.{part}_proj.bias"] = (rows,)
        shapes[f"{at}.mlp.gate_proj.weight"] = shapes[f"{at}.mlp.up_proj.weight"] = (inner, width)
        shapes[f"{at}.mlp.down_proj.weight"] = (width, inner)
        shapes[f"{at}.input_layernorm.weight"] = (width,)
        shapes[f"{at}.post_attention_layernorm.weight"] = (width,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], width)
    return _random(shapes, seed)


def _random(shapes: dict[str, tuple[int, ...]], seed: int) -> Tensors:
    random = np.random.default_rng(seed)
    return {n: random.normal(0, 0.5, shape).astype(np.float32) for n, shape in shapes.items()}


def write_model(folder: Path, config: dict[str, Any], tensors: Any) -> Path:
    """config.json and model.safetensors."""
    from safetensors.numpy import save_file

    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
    return folder


def bert_by_hand(config: dict[str, Any], tensors: Tensors, tokens: list[int]) -> dict[str, Array]:
    """BERT token by token and head by head in float64, straight from the paper's equations."""
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    heads = config["num_attention_heads"]
    inner = config["hidden_size"] // heads

    def affine(name: str, vector: Array) -> Array:
        return np.array(
            [np.dot(row, vector) for row in w[f"{name}.weight"]] + w[f"{name}.bias"], np.float64
        )

    def norm(name: str, vector: Array) -> Array:
        deviation = math.sqrt(float(np.var(vector)) + config["layer_norm_eps"])
        unit = (vector - np.mean(vector)) / deviation
        return unit * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x: float) -> float:
        return x * 0.5 * math.erfc(-x / math.sqrt(2))

    rows = []
    for position, token in enumerate(tokens):
        vector = w["embeddings.word_embeddings.weight"][token]
        vector = vector + w["embeddings.position_embeddings.weight"][position]
        vector = vector + w["embeddings.token_type_embeddings.weight"][0]
        rows.append(norm("embeddings.LayerNorm", vector))
    found: dict[str, Array] = {"embed.norm": np.array(rows)}
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        q, k, v = (
            [affine(f"{layer}.attention.self.{part}", row) for row in rows]
            for part in ("query", "key", "value")
        )
        after = []
        for t, row in enumerate(rows):
            context = []
            for h in range(heads):
                part = slice(h * inner, (h + 1) * inner)
                scores = [float(q[t][part] @ key[part]) / math.sqrt(inner) for key in k]
                context.append(_weighted(scores, [value[part] for value in v]))
            mixed = affine(f"{layer}.attention.output.dense", np.concatenate(context))
            row = norm(f"{layer}.attention.output.LayerNorm", mixed + row)
            hidden = affine(f"{layer}.intermediate.dense", row)
            hidden = np.array([gelu(float(x)) for x in hidden])
            narrow = affine(f"{layer}.output.dense", hidden)
            after.append(norm(f"{layer}.output.LayerNorm", narrow + row))
        rows = after
        found[f"block{i}.norm"] = np.array(rows)
    found["mean"] = np.mean(rows, axis=0)
    found["pooler"] = np.tanh(affine("pooler.dense", rows[0]))
    return found


def llama_by_hand(config: dict[str, Any], tensors: Tensors, tokens: list[int]) -> dict[str, Array]:
    """Llama token by token and head by head in float64; rotary positions as complex numbers."""
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]
    inner = config["hidden_size"] // heads

    def norm(name: str, vector: Array) -> Array:
        root = math.sqrt(float(np.mean(vector**2)) + config["rms_norm_eps"])
        return vector / root * w[f"{name}.weight"]

    def project(name: str, vector: Array) -> Array:
        return w[f"{name}.weight"] @ vector + w.get(f"{name}.bias", np.float64(0))

    def turned(vector: Array, position: int) -> Array:
        half = inner // 2
        numbers = vector[:half] + 1j * vector[half:]
        angles = [position * config["rope_theta"] ** (-2 * i / inner) for i in range(half)]
        numbers = numbers * np.exp(1j * np.array(angles))
        return np.concatenate([numbers.real, numbers.imag])

    rows = [w["model.embed_tokens.weight"][token] for token in tokens]
    found: dict[str, Array] = {}
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}"
        normed = [norm(f"{at}.input_layernorm", row) for row in rows]
        q, k, v = (
            [project(f"{at}.self_attn.{part}_proj", row).reshape(-1, inner) for row in normed]
            for part in "qkv"
        )
        after = []
        for t, row in enumerate(rows):
            context = []
            for h in range(heads):
                g = h * shared // heads
                own = turned(q[t][h], t)
                scores = [float(own @ turned(k[s][g], s)) / math.sqrt(inner) for s in range(t + 1)]
                context.append(_weighted(scores, [v[s][g] for s in range(t + 1)]))
            row = row + project(f"{at}.self_attn.o_proj", np.concatenate(context))
            x = norm(f"{at}.post_attention_layernorm", row)
            gate, up = project(f"{at}.mlp.gate_proj", x), project(f"{at}.mlp.up_proj", x)
            after.append(row + project(f"{at}.mlp.down_proj", gate / (1 + np.exp(-gate)) * up))
        rows = after
        found[f"block{i}.add"] = np.array(rows)
    tied = config["tie_word_embeddings"]
    head = w["model.embed_tokens.weight" if tied else "lm_head.weight"]
    found["scores"] = np.array([head @ norm("model.norm", row) for row in rows])
    return found


def _weighted(scores: list[float], values: list[Array]) -> Array:
    powers = [math.exp(score) for score in scores]
    weighted = [p / sum(powers) * value for p, value in zip(powers, values, strict=True)]
    return np.sum(weighted, axis=0)


def write_tokenizer(folder: Path, special: bool = True) -> Path:
    """A tokeniser of whole words; `special` puts [CLS] and [SEP] around a text."""
    tokenizers = pytest.importorskip("tokenizers", reason="makes a tokeniser")
    words = ["[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e"]
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    if special:
        tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def bert(folder: Path, seed: int = 0) -> Path:
    return write_model(folder, BERT, bert_tensors(BERT, seed))


def llama(folder: Path, seed: int = 0) -> Path:
    return write_model(folder, LLAMA, llama_tensors(LLAMA, seed))


class Harmful:
    """Unpickling one leaves a file `harm` behind."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm"),))
