"""MobileBERT (Sun et al., ACL 2020): a thin BERT with bottlenecks and stacked feed-forward layers.

The details that the paper leaves open (biases, the order of the residual sums) are those of the
released model google/mobilebert-uncased.
"""

from __future__ import annotations

from typing import Literal

from archsim.models.config import Blocks, ModelConfig, Size, token_bits
from archsim.models.extent import Extent
from archsim.models.graph import Attention, Graph

TOKENS = "token_ids"


class MobileBertConfig(ModelConfig):
    """Sizes of a MobileBERT with a key-query bottleneck of its own (paper, figure 1c)."""

    family: Literal["mobilebert"]
    blocks: Blocks
    width: Size
    bottleneck: Size
    heads: Size
    feed_forward: Size
    stacked: Blocks
    embedding: Size
    vocabulary: Size
    positions: Size = 512
    token_types: Size = 2
    pooler: bool = False

    def graph(self, extent: Extent) -> Graph:
        """One inference over seq * sequences interleaved tokens, [seq, sequences, width].

        The three neighbouring word vectors that enter the embedding's linear layer are a
        convolution of kernel 3 along the tokens with the same weights. NoNorm, a gain and a shift
        per channel, is a norm with the function `batch`.
        """
        extent.require(self.name, "seq", "sequences", "head")
        tokens, batch = extent.length(self.name, self.positions), extent.sequences
        graph = Graph()
        graph.input(TOKENS, [tokens, batch, 1], token_bits(self.vocabulary))
        source = self._embeddings(graph)
        sizes = Attention(
            self.heads, self.bottleneck // self.heads, tokens, self.heads, sequences=batch
        )
        for number in range(self.blocks):
            source = self._block(graph, f"block{number}", source, sizes)
        if extent.head and self.pooler:
            first = graph.rows("first_token", source, 0, batch, self.width)
            graph.activation(
                "pooled", graph.linear("pooler", first, self.width, self.width), "tanh"
            )
        return graph

    def _embeddings(self, graph: Graph) -> str:
        words = graph.embedding("embed.word", TOKENS, self.vocabulary, self.embedding)
        x = graph.conv_along("embed.transformation", words, self.embedding, self.width, 3)
        position = graph.embedding("embed.position", TOKENS, self.positions, self.width)
        kind = graph.embedding("embed.type", TOKENS, self.token_types, self.width)
        x = graph.elementwise("embed.add_position", "add", x, position)
        x = graph.elementwise("embed.add_type", "add", x, kind)
        return graph.norm("embed.norm", x, self.width, "batch")

    def _block(self, graph: Graph, block: str, source: str, sizes: Attention) -> str:
        width, thin = self.width, self.bottleneck
        x = graph.linear(f"{block}.bottleneck", source, width, thin)
        thin_source = graph.norm(f"{block}.bottleneck_norm", x, thin, "batch")
        x = graph.linear(f"{block}.shared", source, width, thin)
        shared = graph.norm(f"{block}.shared_norm", x, thin, "batch")
        query = graph.linear(f"{block}.query", shared, thin, thin)
        key = graph.linear(f"{block}.key", shared, thin, thin)
        value = graph.linear(f"{block}.value", source, width, thin)
        x = graph.attention(block, query, key, value, sizes)
        x = graph.linear(f"{block}.output", x, thin, thin)
        x = graph.elementwise(f"{block}.attention_add", "add", x, thin_source)
        x = graph.norm(f"{block}.attention_norm", x, thin, "batch")
        for number in range(self.stacked):
            x = self._feed_forward(graph, f"{block}.ffn{number}", x)
        x = graph.linear(f"{block}.widen", x, thin, width)
        x = graph.elementwise(f"{block}.add", "add", x, source)
        return graph.norm(f"{block}.norm", x, width, "batch")

    def _feed_forward(self, graph: Graph, name: str, source: str) -> str:
        x = graph.linear(f"{name}.up", source, self.bottleneck, self.feed_forward)
        x = graph.activation(f"{name}.relu", x, "relu")
        x = graph.linear(f"{name}.down", x, self.feed_forward, self.bottleneck)
        x = graph.elementwise(f"{name}.add", "add", x, source)
        return graph.norm(f"{name}.norm", x, self.bottleneck, "batch")
