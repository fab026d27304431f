"""The layer graph of a BERT-like transformer encoder (Devlin et al., NAACL 2019).

One place for the graph: the forward pass in archsim.trace.bert walks it, and shape-only workloads
are written from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsim.trace.operators import (
    Activation,
    Elementwise,
    Embedding,
    Layer,
    Linear,
    MatMul,
    Move,
    Norm,
    Reduce,
    Softmax,
)

TOKENS = "token_ids"
ActivationName = Literal["gelu", "relu", "silu"]


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of an encoder.

    head: 'mean' averages all token vectors (sentence embeddings); 'pooler' is BERT's own, a linear
    layer and tanh on the first token.
    """

    blocks: int
    width: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int = 512
    token_types: int = 2
    activation: ActivationName = "gelu"
    head: Literal["mean", "pooler"] = "mean"

    @property
    def token_bits(self) -> int:
        """Bits that hold any token id."""
        return (self.vocabulary - 1).bit_length()

    def macs(self, tokens: int) -> int:
        """Multiply-accumulates by formula, apart from the graph.

        Per block: q, k, v and output projections T*4d^2, scores and context 2*T^2*d, feed-forward
        2*T*d*f; the pooler adds d^2.
        """
        block = 4 * tokens * self.width**2 + 2 * tokens**2 * self.width
        block += 2 * tokens * self.width * self.feed_forward
        return self.blocks * block + (self.width**2 if self.head == "pooler" else 0)


def encoder_layers(config: EncoderConfig, tokens: int) -> list[Layer]:
    """The layers of one inference over `tokens` tokens, from the input `token_ids` [tokens, 1].

    All three embedding tables take `token_ids` as their input; the position table is indexed by
    0..tokens-1 and the token-type table by 0. The factor 1/sqrt(width / heads) of the attention
    scores is part of the query projection, so it is no layer. Dropout does nothing in inference.
    Raises ValueError if heads do not divide the width or there are more tokens than positions.
    """
    if config.width % config.heads:
        raise ValueError(f"{config.heads} heads do not divide a width of {config.width}")
    if not 0 < tokens <= config.positions:
        raise ValueError(f"{tokens} tokens; the model takes 1 to {config.positions}")
    layers = _embeddings(config)
    for block in range(config.blocks):
        layers += _block(config, tokens, f"block{block}", layers[-1].name)
    return layers + _head(config, layers[-1].name)


def _embeddings(config: EncoderConfig) -> list[Layer]:
    tables = {
        "word": config.vocabulary,
        "position": config.positions,
        "type": config.token_types,
    }
    layers: list[Layer] = [
        Embedding(
            op="embedding",
            name=f"embed.{name}",
            inputs=[TOKENS],
            rows=rows,
            features=config.width,
        )
        for name, rows in tables.items()
    ]
    layers.append(_add("embed.add_type", "embed.word", "embed.type"))
    layers.append(_add("embed.add_position", "embed.add_type", "embed.position"))
    layers.append(_norm("embed.norm", "embed.add_position"))
    return layers


def _block(config: EncoderConfig, tokens: int, name: str, source: str) -> list[Layer]:
    width, heads = config.width, config.heads
    inner = width // heads
    return [
        _linear(f"{name}.query", source, width, width),
        _linear(f"{name}.key", source, width, width),
        _linear(f"{name}.value", source, width, width),
        MatMul(
            op="matmul",
            name=f"{name}.scores",
            inputs=[f"{name}.query", f"{name}.key"],
            heads=heads,
            k=inner,
            n=tokens,
            transposed=True,
        ),
        Softmax(op="softmax", name=f"{name}.softmax", inputs=[f"{name}.scores"], groups=heads),
        MatMul(
            op="matmul",
            name=f"{name}.context",
            inputs=[f"{name}.softmax", f"{name}.value"],
            heads=heads,
            k=tokens,
            n=inner,
            transposed=False,
        ),
        _linear(f"{name}.output", f"{name}.context", width, width),
        _add(f"{name}.attention_add", f"{name}.output", source),
        _norm(f"{name}.attention_norm", f"{name}.attention_add"),
        _linear(f"{name}.up", f"{name}.attention_norm", width, config.feed_forward),
        Activation(
            op="activation",
            name=f"{name}.{config.activation}",
            inputs=[f"{name}.up"],
            function=config.activation,
        ),
        _linear(f"{name}.down", f"{name}.{config.activation}", config.feed_forward, width),
        _add(f"{name}.add", f"{name}.down", f"{name}.attention_norm"),
        _norm(f"{name}.norm", f"{name}.add"),
    ]


def _head(config: EncoderConfig, source: str) -> list[Layer]:
    if config.head == "mean":
        return [Reduce(op="reduce", name="pooled", inputs=[source], function="mean")]
    first = Move(
        op="move",
        name="first_token",
        inputs=[source],
        function="slice",
        shape=[1, config.width],
        start=0,
    )
    pooler = _linear("pooler", "first_token", config.width, config.width)
    pooled = Activation(op="activation", name="pooled", inputs=["pooler"], function="tanh")
    return [first, pooler, pooled]


def _linear(name: str, source: str, inner: int, outer: int) -> Linear:
    return Linear(op="linear", name=name, inputs=[source], in_features=inner, out_features=outer)


def _add(name: str, left: str, right: str) -> Elementwise:
    return Elementwise(op="elementwise", name=name, inputs=[left, right], function="add")


def _norm(name: str, source: str) -> Norm:
    return Norm(op="norm", name=name, inputs=[source], function="layer")
