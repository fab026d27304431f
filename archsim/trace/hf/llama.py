"""Trained decoders: Llama, SmolLM2 and Mistral of its shape, Qwen2."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.models.decoder import DecoderConfig
from archsim.models.hf_config import Keys, read_hf_config
from archsim.trace.hf.checkpoint import Checkpoint
from archsim.trace.hf.forward import Constants
from archsim.trace.hf.weights import Weights
from archsim.trace.operators import Layer, Linear

PREFIXES = ("model.",)
NAMES = {
    "embed.word": "embed_tokens",
    "block.attention_norm": "layers.{}.input_layernorm",
    "block.query": "layers.{}.self_attn.q_proj",
    "block.key": "layers.{}.self_attn.k_proj",
    "block.value": "layers.{}.self_attn.v_proj",
    "block.output": "layers.{}.self_attn.o_proj",
    "block.norm": "layers.{}.post_attention_layernorm",
    "block.gate": "layers.{}.mlp.gate_proj",
    "block.up": "layers.{}.mlp.up_proj",
    "block.down": "layers.{}.mlp.down_proj",
    "norm": "norm",
    "lm_head": "lm_head",
}


class Decoder(Checkpoint):
    """A decoder with rotary positions; a tied head has no tensors of its own."""

    def has_bias(self, layer: Layer) -> bool:
        return isinstance(layer, Linear) and layer.biases > 0


def load_decoder(keys: Keys, weights: Weights) -> Decoder:
    """Llama (Touvron et al., 2023), models of its shape, and Qwen2; InputError."""
    sizes = read_hf_config(keys.document)
    assert isinstance(sizes, DecoderConfig)
    names = NAMES | ({"lm_head": NAMES["embed.word"]} if sizes.tied else {})
    head = sizes.channels_per_head
    constants = Constants(keys.positive("rms_norm_eps", 1e-6), rotary_frequencies(keys, head))
    return Decoder(sizes, weights, names, head, constants)


def rotary_frequencies(keys: Keys, head: int) -> NDArray[np.float64]:
    """Radians per position of each pair of channels, theta^(-2i/head), scaled as config.json says.

    Su et al., "RoFormer", arXiv 2104.09864, section 3.4.2; scaling `linear`: Chen et al., arXiv
    2306.15595; `llama3`: the reference code of Llama 3.1.
    """
    key = "rope_parameters" if keys.data.get("rope_parameters") else "rope_scaling"
    given = keys.data.get(key) or {}
    if not isinstance(given, dict):
        raise keys.error(key, f"{key} should be an object.")

    def number(name: str) -> float:
        return keys.positive(name, 0.0, given)

    theta = keys.positive("rope_theta", keys.positive("rope_theta", 10000.0), given)
    plain: NDArray[np.float64] = theta ** -(np.arange(0, head, 2) / head)
    match given.get("rope_type", given.get("type", "default")):
        case "default":
            return plain
        case "linear":
            return plain / number("factor")
        case "llama3":  # slow frequencies divided by factor, fast ones kept, a blend between them
            low, high = number("low_freq_factor"), number("high_freq_factor")
            turns = number("original_max_position_embeddings") * plain / (2 * math.pi)
            kept = np.clip((turns - low) / (high - low), 0, 1)
            blended: NDArray[np.float64] = plain * (kept + (1 - kept) / number("factor"))
            return blended
        case kind:
            raise keys.error(
                key,
                f"rope_type {kind!r} is not supported here.",
                "Supported: default, linear, llama3.",
            )
