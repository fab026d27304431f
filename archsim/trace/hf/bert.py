"""Trained encoders: BERT, RoBERTa and DistilBERT."""

from __future__ import annotations

from typing import Literal

import numpy as np

from archsim.models.encoder import EncoderConfig
from archsim.models.hf_config import Keys, read_hf_config
from archsim.trace.hf.checkpoint import Checkpoint, Tokens
from archsim.trace.hf.forward import Constants
from archsim.trace.hf.weights import Weights
from archsim.trace.operators import Embedding, Layer

Head = Literal["mean", "pooler"]
PREFIXES = ("bert.", "roberta.", "distilbert.")
_TABLES = {
    "embed.word": "embeddings.word_embeddings",
    "embed.position": "embeddings.position_embeddings",
    "embed.type": "embeddings.token_type_embeddings",
    "embed.norm": "embeddings.LayerNorm",
}
BERT_NAMES = _TABLES | {
    "block.query": "encoder.layer.{}.attention.self.query",
    "block.key": "encoder.layer.{}.attention.self.key",
    "block.value": "encoder.layer.{}.attention.self.value",
    "block.output": "encoder.layer.{}.attention.output.dense",
    "block.attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "block.up": "encoder.layer.{}.intermediate.dense",
    "block.down": "encoder.layer.{}.output.dense",
    "block.norm": "encoder.layer.{}.output.LayerNorm",
    "pooler": "pooler.dense",
}
DISTILBERT_NAMES = _TABLES | {
    "block.query": "transformer.layer.{}.attention.q_lin",
    "block.key": "transformer.layer.{}.attention.k_lin",
    "block.value": "transformer.layer.{}.attention.v_lin",
    "block.output": "transformer.layer.{}.attention.out_lin",
    "block.attention_norm": "transformer.layer.{}.sa_layer_norm",
    "block.up": "transformer.layer.{}.ffn.lin1",
    "block.down": "transformer.layer.{}.ffn.lin2",
    "block.norm": "transformer.layer.{}.output_layer_norm",
}


class Encoder(Checkpoint):
    """A BERT-like encoder; positions count from the rows of their table that are reserved."""

    sizes: EncoderConfig

    def __init__(self, sizes: EncoderConfig, weights: Weights, epsilon: float):
        distil = any(name.startswith("transformer.") for name in weights.shapes)
        names = DISTILBERT_NAMES if distil else BERT_NAMES
        super().__init__(sizes, weights, names, sizes.width // sizes.heads, Constants(epsilon))

    def has_bias(self, layer: Layer) -> bool:
        return not isinstance(layer, Embedding)

    def rows(self, layer: Embedding, tokens: Tokens) -> Tokens:
        if layer.name == "embed.position":
            return np.arange(len(tokens)) + self.sizes.reserved
        return np.zeros_like(tokens) if layer.name == "embed.type" else tokens


def load_encoder(keys: Keys, weights: Weights, head: Head) -> Encoder:
    """BERT (Devlin et al., NAACL 2019), RoBERTa (Liu et al., 2019), DistilBERT (Sanh et al., 2019).

    RoBERTa's first position is number 2 of its table. Raises InputError.
    """
    sizes = read_hf_config(keys.document)
    assert isinstance(sizes, EncoderConfig)
    if head == "pooler" and sizes.head == "none":
        raise keys.error("model_type", "DistilBERT has no pooler.", "Use the head 'mean'.")
    for key in ("hidden_act", "activation"):  # not the tanh approximation of GELU
        keys.expect(key, "gelu", "relu", "silu", "swish")
    epsilon = keys.positive("layer_norm_eps", 1e-12)
    return Encoder(sizes.model_copy(update={"head": head}), weights, epsilon)
