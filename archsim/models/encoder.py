"""Transformer encoders of the BERT kind (Devlin et al., NAACL 2019): BERT, RoBERTa, DistilBERT."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.errors import InputError
from archsim.models.config import Blocks, ModelConfig, Size, token_bits
from archsim.models.extent import Extent
from archsim.models.graph import Attention, Graph
from archsim.schema.ranges import Whole
from archsim.trace.operators import Reduce

TOKENS = "token_ids"


class EncoderConfig(ModelConfig):
    """Sizes of an encoder.

    head: `pooler` is BERT's own, a linear layer and tanh on the first token; `mean` averages all
    token vectors (sentence embeddings); `none` ends with the last block.
    """

    family: Literal["encoder"]
    blocks: Blocks
    width: Size
    heads: Size
    feed_forward: Size
    vocabulary: Size
    positions: Annotated[Size, Field(description="rows of the position table")] = 512
    reserved: Annotated[
        Whole, Field(description="rows of the position table that no token uses")
    ] = 0
    token_types: Annotated[Whole, Field(description="0: no such table")] = 2
    activation: Literal["gelu", "relu", "silu"] = "gelu"
    head: Literal["mean", "pooler", "none"] = "pooler"

    def graph(self, extent: Extent) -> Graph:
        """One inference over seq * sequences interleaved tokens [positions, 1].

        All embedding tables take `token_ids` as their input; the position table is indexed by a
        token's place and the token-type table by 0. Dropout does nothing in inference.
        """
        extent.require(self.name, "seq", "sequences", "head")
        tokens = extent.length(self.name, self.positions - self.reserved)
        if self.width % self.heads:
            raise InputError(
                f"{self.heads} heads do not divide a width of {self.width}.", fix="Correct heads."
            )
        graph = Graph()
        graph.input(TOKENS, [tokens * extent.sequences, 1], token_bits(self.vocabulary))
        source = self._embeddings(graph)
        sizes = Attention(
            self.heads, self.width // self.heads, tokens, self.heads, sequences=extent.sequences
        )
        for number in range(self.blocks):
            source = self._block(graph, f"block{number}", source, sizes)
        if extent.head:
            self._head(graph, source, extent.sequences)
        return graph

    def _embeddings(self, graph: Graph) -> str:
        source = graph.embedding("embed.word", TOKENS, self.vocabulary, self.width)
        position = graph.embedding("embed.position", TOKENS, self.positions, self.width)
        if self.token_types:
            kind = graph.embedding("embed.type", TOKENS, self.token_types, self.width)
            source = graph.elementwise("embed.add_type", "add", source, kind)
        source = graph.elementwise("embed.add_position", "add", source, position)
        return graph.norm("embed.norm", source, self.width, "layer")

    def _block(self, graph: Graph, block: str, source: str, sizes: Attention) -> str:
        width, inner = self.width, self.feed_forward
        query, key, value = (
            graph.linear(f"{block}.{part}", source, width, width)
            for part in ("query", "key", "value")
        )
        x = graph.attention(block, query, key, value, sizes)
        x = graph.linear(f"{block}.output", x, width, width)
        x = graph.elementwise(f"{block}.attention_add", "add", x, source)
        source = graph.norm(f"{block}.attention_norm", x, width, "layer")
        x = graph.linear(f"{block}.up", source, width, inner)
        x = graph.activation(f"{block}.{self.activation}", x, self.activation)
        x = graph.linear(f"{block}.down", x, inner, width)
        x = graph.elementwise(f"{block}.add", "add", x, source)
        return graph.norm(f"{block}.norm", x, width, "layer")

    def _head(self, graph: Graph, source: str, sequences: int) -> None:
        if self.head == "pooler":
            first = graph.rows("first_token", source, 0, sequences, self.width)
            pooler = graph.linear("pooler", first, self.width, self.width)
            graph.activation("pooled", pooler, "tanh")
        elif self.head == "mean":
            if sequences > 1:
                raise InputError(
                    f"the mean over the tokens of {self.name} would mix {sequences} sequences.",
                    fix="Use --sequences 1 or --no-head.",
                )
            graph.layers.append(
                Reduce(op="reduce", name="pooled", inputs=[source], function="mean")
            )
