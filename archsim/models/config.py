"""What every model configuration has, whatever its family."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.models.extent import Extent
from archsim.models.graph import Graph
from archsim.schema import Model, ranges, units

MODEL_VERSION: Literal[1] = 1
MOST_BLOCKS, LARGEST = 10_000, units.MOST
Blocks = ranges.Few
"""A number of layers of a kind; more are mistyped, and would fill the memory."""
Size = ranges.Size
"""A width, a number of heads, classes, rows of a table ..."""


class ModelConfig(Model):
    """Sizes of a model, with their source; a family's class adds its own and builds the layers."""

    archsim_model: Annotated[Literal[1], Field(description="format version")]
    name: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1, description="where the sizes are published")]
    parameters: Annotated[
        ranges.Total | None,
        Field(ge=1, description="published count of learnt values, to check the layers against"),
    ] = None

    def graph(self, extent: Extent) -> Graph:
        """The layers of one inference; InputError if the extent does not fit the model."""
        raise NotImplementedError


def token_bits(vocabulary: int) -> int:
    """Bits that hold any token id."""
    return max((vocabulary - 1).bit_length(), 1)
