"""Encoder-decoder transformers of the T5 kind (Raffel et al., JMLR 2020; T5 1.1 and Flan-T5)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.errors import InputError
from archsim.models.config import Blocks, ModelConfig, Size, token_bits
from archsim.models.extent import Extent
from archsim.models.graph import Attention, Graph
from archsim.trace.model import Generation

TOKENS, DECODER_TOKENS = "token_ids", "decoder_ids"
WORDS, HEAD = "embed.word", "lm_head"


class T5Config(ModelConfig):
    """Sizes of a T5: both stacks have the same width, heads and feed-forward layers."""

    family: Literal["t5"]
    encoder_blocks: Blocks
    decoder_blocks: Blocks
    width: Size
    heads: Size
    head_width: Size
    feed_forward: Size
    vocabulary: Size
    gated: Annotated[bool, Field(description="act(gate) * up, as T5 1.1; else act(up)")] = True
    activation: Literal["gelu", "relu", "silu"] = "gelu"
    buckets: Annotated[Size, Field(description="relative positions told apart")] = 32
    tied: bool = False

    def graph(self, extent: Extent) -> Graph:
        """One inference: `seq` tokens through the encoder, then 1 + decode through the decoder.

        The decoder starts from one start token. Keys and values of its cross attention are made
        once, from the encoder's output. The relative-position bias of a stack depends on nothing
        but the length: it is an input ([positions, heads * span]) that every block adds to its
        scores, and its table of `buckets` x heads counts with the first block's addition.
        """
        extent.require(self.name, "seq", "decode", "sequences", "head")
        tokens, batch = extent.length(self.name), extent.sequences
        if extent.decode and not extent.head:
            raise InputError(
                f"{self.name} without its head chooses no token, so it cannot decode.",
                fix="Leave out --no-head or --decode.",
            )
        steps = 1 + extent.decode
        bits = token_bits(self.vocabulary)
        graph = Graph()
        graph.input(TOKENS, [tokens * batch, 1], bits)
        graph.input(DECODER_TOKENS, [steps * batch, 1], bits)

        own = self._attention(tokens, batch)
        source = graph.embedding(WORDS, TOKENS, self.vocabulary, self.width)
        bias = graph.input("encoder.position_bias", [tokens * batch, self.heads * tokens])
        for number in range(self.encoder_blocks):
            block = f"encoder{number}"
            source = self._attend(graph, block, source, own, bias=bias, first=number == 0)
            source = self._feed_forward(graph, block, source)
        memory = graph.norm("encoder.norm", source, self.width, "rms")

        across, own = own, self._attention(steps, batch, causal=True)
        source = graph.embedding(
            "decoder.embed", DECODER_TOKENS, self.vocabulary, self.width, tied_to=WORDS
        )
        bias = graph.input("decoder.position_bias", [steps * batch, self.heads * steps])
        for number in range(self.decoder_blocks):
            block = f"decoder{number}"
            source = self._attend(graph, block, source, own, bias=bias, first=number == 0)
            source = self._attend(graph, f"{block}.cross", source, across, memory=memory)
            source = self._feed_forward(graph, block, source)
        source = graph.norm("decoder.norm", source, self.width, "rms")
        if extent.head:
            tied_to = WORDS if self.tied else None
            graph.linear(HEAD, source, self.width, self.vocabulary, bias=False, tied_to=tied_to)
            graph.generation = Generation(
                prompt=1, decode=extent.decode, source=HEAD, target=DECODER_TOKENS, sequences=batch
            )
        return graph

    def _attention(self, span: int, sequences: int, *, causal: bool = False) -> Attention:
        return Attention(self.heads, self.head_width, span, self.heads, causal, sequences)

    def _attend(
        self,
        graph: Graph,
        block: str,
        source: str,
        sizes: Attention,
        *,
        memory: str | None = None,
        bias: str | None = None,
        first: bool = False,
    ) -> str:
        """Attention to the stack's own positions, or to the encoder's output `memory`."""
        width, all_heads = self.width, self.heads * self.head_width
        x = graph.norm(f"{block}.attention_norm", source, width, "rms")
        other = memory or x
        query = graph.linear(f"{block}.query", x, width, all_heads, bias=False)
        key = graph.linear(f"{block}.key", other, width, all_heads, bias=False)
        value = graph.linear(f"{block}.value", other, width, all_heads, bias=False)
        table = self.buckets * self.heads if first else 0
        x = graph.attention(block, query, key, value, sizes, (bias, table) if bias else None)
        x = graph.linear(f"{block}.output", x, all_heads, width, bias=False)
        return graph.elementwise(f"{block}.attention_add", "add", x, source)

    def _feed_forward(self, graph: Graph, block: str, source: str) -> str:
        width, inner, act = self.width, self.feed_forward, self.activation
        norm = graph.norm(f"{block}.norm", source, width, "rms")
        x = graph.linear(
            f"{block}.{'gate' if self.gated else 'up'}", norm, width, inner, bias=False
        )
        x = graph.activation(f"{block}.{act}", x, act)
        if self.gated:
            up = graph.linear(f"{block}.up", norm, width, inner, bias=False)
            x = graph.elementwise(f"{block}.mul", "mul", x, up)
        x = graph.linear(f"{block}.down", x, inner, width, bias=False)
        return graph.elementwise(f"{block}.add", "add", x, source)
