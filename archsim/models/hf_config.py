"""Sizes from a config.json of Hugging Face; `model_type` decides the family."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

from archsim.documents import Document
from archsim.errors import InputError, nearest
from archsim.models.config import LARGEST, MODEL_VERSION, MOST_BLOCKS, ModelConfig
from archsim.models.decoder import DecoderConfig
from archsim.models.encoder import EncoderConfig
from archsim.models.mobilebert import MobileBertConfig
from archsim.models.t5 import T5Config

SAME = {"xlm-roberta": "roberta", "camembert": "roberta"}  # model types of one architecture
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu", "relu": "relu", "silu": "silu", "swish": "silu"}


class Keys:
    """The keys of a config.json, read with checks; InputError names the key."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data: dict[str, Any] = document.data

    def size(self, key: str, default: int | None = None, most: int = LARGEST) -> int:
        """A whole number from 1 to `most`."""
        value = self.data.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.error(key, f"{key} should be a whole number from 1 to {most:,}.")
        return value

    def blocks(self, key: str, default: int | None = None) -> int:
        """A number of layers."""
        return self.size(key, default, MOST_BLOCKS)

    def positive(self, key: str, default: float, within: Mapping[str, Any] | None = None) -> float:
        """A number above 0 at a key, or of the mapping `within` that stands there."""
        value = (self.data if within is None else within).get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
            raise self.error(key, f"{key} should be a positive number, not {value!r}.")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"{key} should be true or false.")
        return value

    def activation(self, key: str, default: str) -> str:
        """The archsim name of an activation function."""
        value = self.data.get(key, default)
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise self.error(
                key, f"the activation {value!r} is not supported.", nearest(str(value), ACTIVATIONS)
            )
        return ACTIVATIONS[value]

    def expect(self, key: str, *known: object) -> None:
        """InputError unless the key is missing or has one of the values that archsim models."""
        value = self.data.get(key, known[0])
        if value not in known:
            listed = " or ".join(repr(one) for one in known)
            raise self.error(key, f"{key} {value!r} is not supported.", f"Supported: {listed}.")

    def error(self, key: str, what: str, fix: str | None = None) -> InputError:
        return InputError(what, self.document.location((key,)), fix)


def read_hf_config(document: Document) -> ModelConfig:
    """The configuration that a config.json describes; InputError if archsim has no such family."""
    kind = document.data["model_type"]
    if not isinstance(kind, str) or kind not in READERS:
        raise InputError(
            f"the model type {kind!r} is not known.",
            document.location(("model_type",)),
            other_type(str(kind), READERS),
        )
    refuse_quantised(Keys(document))
    return READERS[kind](Keys(document), _common(document))


def other_type(kind: str, known: Iterable[str]) -> str:
    """What to do about an unknown model type: a near spelling is not a near model."""
    listed = sorted(set(known))
    same = SAME.get(kind)
    hint = f"It has the sizes of '{same}': write that. " if same in listed else ""
    return f"{hint}Known: {', '.join(listed)}."


def refuse_quantised(keys: Keys) -> None:
    """InputError for a model whose weights are codes of their own: they are not read."""
    found = keys.data.get("quantization_config")
    if found is None:
        return
    method = found.get("quant_method", "unknown") if isinstance(found, dict) else found
    bits = found.get("bits") if isinstance(found, dict) else None
    if isinstance(found, dict) and bits is None:
        known = {"fp8": 8, "awq": 4, "gptq": 4}
        bits = 4 if found.get("load_in_4bit") else known.get(str(method))
    said = f" ({bits} bits)" if bits else ""
    raise keys.error(
        "quantization_config",
        f"the weights are quantised by {method}{said}, which is not read.",
        "For shapes alone take quantization_config out and give --weight-bits; for values take the "
        "model before it was quantised.",
    )


def _common(document: Document) -> dict[str, Any]:
    folder = document.path.resolve().parent.name
    name = str(document.data.get("_name_or_path") or "").rstrip("/").split("/")[-1] or folder
    return {"archsim_model": MODEL_VERSION, "name": name, "source": document.path.name}


def _decoder(keys: Keys, common: dict[str, Any]) -> ModelConfig:
    keys.expect("hidden_act", "silu", "swish")
    keys.expect("mlp_bias", False)
    keys.expect("use_sliding_window", False)
    if keys.data["model_type"] == "mistral":
        keys.expect("sliding_window", None)
    heads = keys.size("num_attention_heads")
    bias = keys.flag("attention_bias", False)
    return DecoderConfig(
        **common,
        family="decoder",
        blocks=keys.blocks("num_hidden_layers"),
        width=keys.size("hidden_size"),
        heads=heads,
        kv_heads=keys.size("num_key_value_heads", heads),
        head_width=keys.size("head_dim") if keys.data.get("head_dim") is not None else None,
        feed_forward=keys.size("intermediate_size"),
        vocabulary=keys.size("vocab_size"),
        positions=keys.size("max_position_embeddings", 2048),
        qkv_bias=bias or keys.data["model_type"] == "qwen2",
        output_bias=bias,
        tied=keys.flag("tie_word_embeddings", False),
    )


def _encoder(keys: Keys, common: dict[str, Any]) -> ModelConfig:
    keys.expect("position_embedding_type", "absolute")
    roberta = keys.data["model_type"] == "roberta"
    return EncoderConfig(
        **common,
        family="encoder",
        blocks=keys.blocks("num_hidden_layers"),
        width=keys.size("hidden_size"),
        heads=keys.size("num_attention_heads"),
        feed_forward=keys.size("intermediate_size"),
        vocabulary=keys.size("vocab_size"),
        positions=keys.size("max_position_embeddings", 512),
        reserved=2 if roberta else 0,  # its first position is pad_token_id + 1
        token_types=keys.size("type_vocab_size", 2),
        activation=keys.activation("hidden_act", "gelu"),
    )


def _distilbert(keys: Keys, common: dict[str, Any]) -> ModelConfig:
    return EncoderConfig(
        **common,
        family="encoder",
        blocks=keys.blocks("n_layers"),
        width=keys.size("dim"),
        heads=keys.size("n_heads"),
        feed_forward=keys.size("hidden_dim"),
        vocabulary=keys.size("vocab_size"),
        positions=keys.size("max_position_embeddings", 512),
        token_types=0,
        activation=keys.activation("activation", "gelu"),
        head="none",
    )


def _mobilebert(keys: Keys, common: dict[str, Any]) -> ModelConfig:
    keys.expect("trigram_input", True)
    keys.expect("use_bottleneck", True)
    keys.expect("use_bottleneck_attention", False)
    keys.expect("key_query_shared_bottleneck", True)
    keys.expect("normalization_type", "no_norm")
    keys.expect("hidden_act", "relu")
    return MobileBertConfig(
        **common,
        family="mobilebert",
        blocks=keys.blocks("num_hidden_layers"),
        width=keys.size("hidden_size"),
        bottleneck=keys.size("intra_bottleneck_size", 128),
        heads=keys.size("num_attention_heads"),
        feed_forward=keys.size("intermediate_size"),
        stacked=keys.blocks("num_feedforward_networks", 4),
        embedding=keys.size("embedding_size", 128),
        vocabulary=keys.size("vocab_size"),
        positions=keys.size("max_position_embeddings", 512),
        token_types=keys.size("type_vocab_size", 2),
        pooler=keys.flag("classifier_activation", True),
    )


def _t5(keys: Keys, common: dict[str, Any]) -> ModelConfig:
    projection = str(keys.data.get("feed_forward_proj", "relu"))
    gated = projection.startswith("gated-")
    activation = projection.removeprefix("gated-")
    if activation not in ACTIVATIONS:
        raise keys.error(
            "feed_forward_proj",
            f"the feed-forward layer {projection!r} is not supported.",
            "Supported: gated-gelu, gated-silu, relu, gelu.",
        )
    blocks = keys.blocks("num_layers")
    return T5Config(
        **common,
        family="t5",
        encoder_blocks=blocks,
        decoder_blocks=keys.blocks("num_decoder_layers", blocks),
        width=keys.size("d_model"),
        heads=keys.size("num_heads"),
        head_width=keys.size("d_kv"),
        feed_forward=keys.size("d_ff"),
        vocabulary=keys.size("vocab_size"),
        gated=gated,
        activation=ACTIVATIONS[activation],
        buckets=keys.size("relative_attention_num_buckets", 32),
        tied=keys.flag("tie_word_embeddings", True),
    )


READERS: dict[str, Callable[[Keys, dict[str, Any]], ModelConfig]] = {
    "llama": _decoder,
    "mistral": _decoder,
    "qwen2": _decoder,
    "bert": _encoder,
    "roberta": _encoder,
    "distilbert": _distilbert,
    "mobilebert": _mobilebert,
    "t5": _t5,
}
