"""A trained model on disk: its layer graph, and which tensors belong to which layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from archsim.models.decoder import DecoderConfig
from archsim.models.encoder import EncoderConfig
from archsim.models.extent import Extent
from archsim.models.graph import Graph
from archsim.trace.hf.forward import Constants, Parameters
from archsim.trace.hf.weights import Array, Dims, Weights
from archsim.trace.operators import Embedding, Layer, Linear, Norm

Tokens = NDArray[np.int64]


class Checkpoint(ABC):
    """A model of one family: what `archsim.trace.hf.recording` walks.

    sizes: the model's sizes, which give its layer graph. names: the name of every layer's tensors
    without `.weight` and `.bias`, by the layer's name; a layer of a block by its name without the
    number, which goes where `{}` stands. head: channels per attention head; the query projection
    carries the factor 1/sqrt(head) of the scores, so that it is no layer.
    """

    def __init__(
        self,
        sizes: EncoderConfig | DecoderConfig,
        weights: Weights,
        names: Mapping[str, str],
        head: int,
        constants: Constants,
    ):
        self.sizes = sizes
        self.weights = weights
        self.names = names
        self.head = head
        self.constants = constants

    def graph(self, prompt: int, decode: int = 0) -> Graph:
        """The layers of one sequence of prompt + decode tokens; InputError if it is impossible."""
        return self.sizes.graph(Extent(seq=prompt, decode=decode))

    @abstractmethod
    def has_bias(self, layer: Layer) -> bool:
        """True for a layer with a bias of its own."""

    def rows(self, layer: Embedding, tokens: Tokens) -> Tokens:
        """Rows of a table that a sequence looks up."""
        return tokens

    def stem(self, layer: Layer) -> str | None:
        """Name of a layer's tensors without `.weight` and `.bias`; None if it has none."""
        block, _, part = layer.name.partition(".")
        number = block.removeprefix("block")
        if number.isdecimal() and block != number:
            name = self.names.get(f"block.{part}")
            return None if name is None else name.format(number)
        return self.names.get(layer.name)

    def check(self) -> None:
        """InputError unless every layer's tensors are there, in the shapes that the graph asks."""
        for layer in self.graph(1).layers:
            for name, shape in self._tensors(layer).items():
                self.weights.check(name, shape)

    def parameters(self, layer: Layer) -> Parameters | None:
        """A layer's tensors, read now; None for a layer without and for a table."""
        tensors = [self.weights.get(name) for name in self._tensors(layer)]
        if not tensors or isinstance(layer, Embedding):
            return None
        if layer.name.endswith(".query"):
            scale = np.float32(self.head**-0.5)
            tensors = [tensor * scale for tensor in tensors]
        return Parameters(*tensors)

    def look_up(self, layer: Embedding, tokens: Tokens) -> Array:
        """The rows of a table for a sequence, shape (T, features)."""
        (name,) = self._tensors(layer)
        return self.weights.rows(name, self.rows(layer, tokens))

    def _tensors(self, layer: Layer) -> dict[str, Dims]:
        stem = self.stem(layer)
        if stem is None:
            return {}
        shape: Dims
        match layer:
            case Linear():
                shape = (layer.out_features, layer.in_features)
            case Embedding():
                shape = (layer.rows, layer.features)
            case Norm():
                shape = (self.sizes.width,)
            case _:
                return {}
        found: dict[str, Dims] = {f"{stem}.weight": shape}
        if self.has_bias(layer):
            found[f"{stem}.bias"] = shape[:1]
        return found
