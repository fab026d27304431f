"""The trace: what a trained model does, layer by layer, with no word of hardware."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from archsim.schema import Model
from archsim.schema.ranges import BitWidth, Size, Whole
from archsim.trace.layer import LayerBase, Shape, TensorShape
from archsim.trace.operators import Layer
from archsim.trace.origin import Origin
from archsim.trace.stats import TensorStats

TRACE_VERSION: Final = 1


class Precision(Model):
    """Widths in bits of the integer codes that the model runs with."""

    weight: BitWidth = 8
    input: BitWidth = 8


class GraphInput(Model):
    """A tensor that comes from outside: shape without the batch, channels last."""

    name: str
    shape: Shape
    bits: BitWidth | None = None
    stats: TensorStats | None = None


class Generation(Model):
    """Autoregressive use of a decoder: a prompt at once, then one position after another.

    The sequence has prompt + decode positions. `source` gives scores for the next token at the
    positions prompt - 1, prompt, ... (decode + 1 of them), and position n >= prompt of the input
    `target` is the token that they choose: it waits for position n - prompt of `source`. With
    `sequences` interleaved sequences all counts are per sequence.
    """

    prompt: Size
    decode: Whole
    source: Annotated[str, Field(description="layer that scores the next token")]
    target: Annotated[str, Field(description="input of the trace that takes the chosen token")]
    sequences: Size = 1


class Provenance(Model):
    """Where the trace comes from, so that anyone can make it again."""

    model: Annotated[str, Field(description="the trained model or the paper of the shapes")]
    made_by: Annotated[str, Field(description="the command or script that wrote this file")]
    data: Annotated[str, Field(description="the real input the statistics come from")] = "none"
    origin: Annotated[
        Origin | None, Field(description="how it was made: `archsim trace check` compares it")
    ] = None


class Trace(Model):
    """A versioned list of layer records in an order in which inputs come before their users."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    archsim_trace: Annotated[Literal[1], Field(description="format version")]
    name: str
    provenance: Provenance
    precision: Precision = Precision()
    generation: Generation | None = None
    inputs: Annotated[list[GraphInput], Field(min_length=1)]
    layers: Annotated[list[Layer], Field(min_length=1)]

    @cached_property
    def shapes(self) -> dict[str, TensorShape]:
        """Output shape of every input and layer (checked by archsim.trace.load)."""
        shapes: dict[str, TensorShape] = {i.name: tuple(i.shape) for i in self.inputs}
        for layer in self.layers:
            shapes[layer.name] = layer.output_shape([shapes[i] for i in layer.inputs])
        return shapes

    def input_shapes(self, layer: LayerBase) -> list[TensorShape]:
        """Shapes of a layer's inputs."""
        return [self.shapes[name] for name in layer.inputs]

    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(
            layer.macs(self.input_shapes(layer), self.shapes[layer.name]) for layer in self.layers
        )

    def parameters(self, *, biases: bool = False) -> int:
        """Weights of all layers, tied ones once; with `biases` all that the model has learnt."""
        own = [layer for layer in self.layers if layer.tied_to is None]
        return sum(layer.parameters() + (layer.biases if biases else 0) for layer in own)
