"""Session-based recommendation with a GRU (Hidasi et al., ICLR 2016, arXiv 1511.06939)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.models.config import ModelConfig, Size, token_bits
from archsim.models.extent import Extent
from archsim.models.graph import Graph
from archsim.trace.operators import Recurrent


class Gru4RecConfig(ModelConfig):
    """A GRU over the items of a session and a score for every item after each.

    Without `embedding` an item enters as a 1-of-N vector of one-bit codes, as in the paper
    (section 3.1); with it, as a row of a table of that width.
    """

    family: Literal["gru4rec"]
    items: Size
    hidden: Size
    embedding: Annotated[Size | None, Field(description="width of a table of items")] = None

    def graph(self, extent: Extent) -> Graph:
        """One session of `seq` clicks; the scores are those behind every click."""
        extent.require(self.name, "seq", "head")
        clicks = extent.length(self.name)
        graph = Graph()
        if self.embedding is None:
            source, inner = graph.input("items", [clicks, self.items], bits=1), self.items
        else:
            graph.input("items", [clicks, 1], token_bits(self.items))
            source = graph.embedding("embed.item", "items", self.items, self.embedding)
            inner = self.embedding
        gru = Recurrent(
            op="recurrent",
            name="gru",
            inputs=[source],
            cell="gru",
            in_features=inner,
            hidden=self.hidden,
            biases=3 * self.hidden,
        )
        graph.layers.append(gru)
        if extent.head:
            scores = graph.linear("scores", gru.name, self.hidden, self.items)
            graph.activation("tanh", scores, "tanh")
        return graph
