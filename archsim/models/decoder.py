"""Decoder-only language models of the LLaMA kind.

RMS norm before each half of a block, grouped-query attention with rotary positions, a gated
feed-forward layer (SwiGLU): Touvron et al., "LLaMA", arXiv 2302.13971, section 2.2; grouped-query
attention: Ainslie et al., EMNLP 2023. Qwen2 adds biases to the query, key and value projections
(arXiv 2407.10671, section 2.2).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.errors import InputError
from archsim.models.config import Blocks, ModelConfig, Size, token_bits
from archsim.models.extent import Extent
from archsim.models.graph import Attention, Graph
from archsim.trace.model import Generation

TOKENS = "token_ids"
WORDS = "embed.word"
HEAD = "lm_head"


class DecoderConfig(ModelConfig):
    """Sizes of a decoder; `head_width` is width / heads unless given."""

    family: Literal["decoder"]
    blocks: Blocks
    width: Size
    heads: Size
    kv_heads: Size
    head_width: Size | None = None
    feed_forward: Size
    vocabulary: Size
    positions: Annotated[Size, Field(description="longest sequence")]
    qkv_bias: bool = False
    output_bias: bool = False
    tied: Annotated[bool, Field(description="the head uses the word table's weights")] = False

    @property
    def channels_per_head(self) -> int:
        """Width of one head."""
        return self.head_width or self.width // self.heads

    def graph(self, extent: Extent) -> Graph:
        """One inference: a prompt, then positions generated one after another.

        The (seq + decode) * sequences positions are interleaved: position t of sequence s is
        number t * sequences + s. The head reads the last position of the prompt and those that
        are generated. With `past`, the keys and values of that many earlier positions of every
        sequence come from outside (`block0.past_key`, ...) and stand before the new ones.
        """
        extent.require(self.name, "seq", "decode", "sequences", "past", "head")
        prompt = extent.length(self.name, self.positions)
        if extent.decode and not extent.head:
            raise InputError(
                f"{self.name} without its head chooses no token, so it cannot decode.",
                fix="Leave out --no-head or --decode.",
            )
        if not self.head_width and self.width % self.heads:
            raise InputError(
                f"{self.heads} heads do not divide a width of {self.width}.",
                fix="Correct heads or give head_width.",
            )
        if self.heads % self.kv_heads:
            raise InputError(
                f"{self.kv_heads} key-value heads do not divide {self.heads} heads.",
                fix="Correct the heads or the key-value heads.",
            )
        graph = Graph()
        rows = (prompt + extent.decode) * extent.sequences
        graph.input(TOKENS, [rows, 1], token_bits(self.vocabulary))
        source = graph.embedding(WORDS, TOKENS, self.vocabulary, self.width)
        sizes = Attention(
            self.heads,
            self.channels_per_head,
            extent.past + prompt + extent.decode,
            self.kv_heads,
            causal=True,
            sequences=extent.sequences,
        )
        for number in range(self.blocks):
            source = self._block(graph, f"block{number}", source, sizes, extent.past)
        source = graph.norm("norm", source, self.width, "rms")
        if extent.head:
            self._head(graph, source, prompt, extent)
        return graph

    def _block(self, graph: Graph, block: str, source: str, sizes: Attention, past: int) -> str:
        width, inner = self.width, self.feed_forward
        all_heads = self.heads * self.channels_per_head
        shared = self.kv_heads * self.channels_per_head
        x = graph.norm(f"{block}.attention_norm", source, width, "rms")
        query = graph.linear(f"{block}.query", x, width, all_heads, bias=self.qkv_bias)
        key = graph.linear(f"{block}.key", x, width, shared, bias=self.qkv_bias)
        value = graph.linear(f"{block}.value", x, width, shared, bias=self.qkv_bias)
        query = graph.activation(f"{block}.query_rotary", query, "rotary")
        key = graph.activation(f"{block}.key_rotary", key, "rotary")
        if past:
            earlier, total = past * sizes.sequences, sizes.span * sizes.sequences
            old_key = graph.input(f"{block}.past_key", [earlier, shared])
            old_value = graph.input(f"{block}.past_value", [earlier, shared])
            key = graph.join(f"{block}.keys", [old_key, key], [total, shared])
            value = graph.join(f"{block}.values", [old_value, value], [total, shared])
        x = graph.attention(block, query, key, value, sizes)
        x = graph.linear(f"{block}.output", x, all_heads, width, bias=self.output_bias)
        source = graph.elementwise(f"{block}.attention_add", "add", x, source)
        x = graph.norm(f"{block}.norm", source, width, "rms")
        gate = graph.linear(f"{block}.gate", x, width, inner, bias=False)
        gate = graph.activation(f"{block}.silu", gate, "silu")
        up = graph.linear(f"{block}.up", x, width, inner, bias=False)
        x = graph.elementwise(f"{block}.mul", "mul", gate, up)
        x = graph.linear(f"{block}.down", x, inner, width, bias=False)
        return graph.elementwise(f"{block}.add", "add", x, source)

    def _head(self, graph: Graph, source: str, prompt: int, extent: Extent) -> None:
        batch = extent.sequences
        last = graph.rows(
            "last", source, (prompt - 1) * batch, (extent.decode + 1) * batch, self.width
        )
        tied_to = WORDS if self.tied else None
        graph.linear(HEAD, last, self.width, self.vocabulary, bias=False, tied_to=tied_to)
        graph.generation = Generation(
            prompt=prompt, decode=extent.decode, source=HEAD, target=TOKENS, sequences=batch
        )
