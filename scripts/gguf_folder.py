"""Write a GGUF file of a Llama-like model as config.json, model.safetensors and tokenizer.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "model.layers.{}.input_layernorm",
    "attn_q": "model.layers.{}.self_attn.q_proj",
    "attn_k": "model.layers.{}.self_attn.k_proj",
    "attn_v": "model.layers.{}.self_attn.v_proj",
    "attn_output": "model.layers.{}.self_attn.o_proj",
    "ffn_norm": "model.layers.{}.post_attention_layernorm",
    "ffn_gate": "model.layers.{}.mlp.gate_proj",
    "ffn_up": "model.layers.{}.mlp.up_proj",
    "ffn_down": "model.layers.{}.mlp.down_proj",
}
CONTROL = 3  # token type of <|im_start|> and the like


def convert(source: Path, folder: Path) -> None:
    """Read `source`, a GGUF file of the architecture `llama`, and fill `folder`.

    Quantised tensors are dequantised and written as float16.
    """
    reader = gguf.GGUFReader(source)
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(reader)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    _tokenizer(reader).save(str(folder / "tokenizer.json"))
    _weights(reader, config, folder / "model.safetensors")


def _value(reader: gguf.GGUFReader, key: str) -> Any:
    return reader.fields[key].contents()


def _config(reader: gguf.GGUFReader) -> dict[str, Any]:
    return {
        "model_type": _value(reader, "general.architecture"),
        "_name_or_path": _value(reader, "general.name"),
        "hidden_act": "silu",
        "num_hidden_layers": _value(reader, "llama.block_count"),
        "hidden_size": _value(reader, "llama.embedding_length"),
        "intermediate_size": _value(reader, "llama.feed_forward_length"),
        "num_attention_heads": _value(reader, "llama.attention.head_count"),
        "num_key_value_heads": _value(reader, "llama.attention.head_count_kv"),
        "max_position_embeddings": _value(reader, "llama.context_length"),
        "rms_norm_eps": _value(reader, "llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": _value(reader, "llama.rope.freq_base"),
        "vocab_size": _value(reader, "llama.vocab_size"),
        "tie_word_embeddings": not any(t.name == "output.weight" for t in reader.tensors),
    }


def _tokenizer(reader: gguf.GGUFReader) -> Any:
    """A byte-level BPE whose digits stand alone, as llama.cpp's pre-tokeniser `smollm`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = _value(reader, "tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ", 1)) for m in _value(reader, "tokenizer.ggml.merges")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = _value(reader, "tokenizer.ggml.token_type")
    control = [t for t, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    return tokenizer


def _weights(reader: gguf.GGUFReader, config: dict[str, Any], path: Path) -> None:
    from safetensors.numpy import save_file

    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    tensors: dict[str, NDArray[np.float16]] = {}
    for tensor in reader.tensors:
        stem, _, ending = tensor.name.rpartition(".")
        block = ""
        if stem.startswith("blk."):
            _, block, stem = stem.split(".")
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        if stem in heads:
            values = _half_split(values, heads[stem])
        tensors[f"{NAMES[stem].format(block)}.{ending}"] = values.astype(np.float16)
    save_file(tensors, path)


def _half_split(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """Rows of a projection with the pairs of rotary channels half a head apart.

    GGUF has them side by side: llama.cpp permutes the rows of q and k when it converts a model.
    """
    pairs = rows.reshape(heads, -1, 2, rows.shape[-1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)
