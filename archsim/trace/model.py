"""The trace: what a trained model does, layer by layer, with no word of hardware."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from archsim.schema import Model
from archsim.trace.layer import Shape, TensorShape
from archsim.trace.operators import Layer
from archsim.trace.stats import TensorStats

TRACE_VERSION: Final = 1
Bits = Annotated[int, Field(ge=1, le=32)]


class Precision(Model):
    """Widths in bits of the integer codes that the model runs with."""

    weight: Bits = 8
    input: Bits = 8


class GraphInput(Model):
    """A tensor that comes from outside: shape without the batch, channels last."""

    name: str
    shape: Shape
    bits: Bits | None = None
    stats: TensorStats | None = None


class Provenance(Model):
    """Where the trace comes from, so that anyone can make it again."""

    model: Annotated[str, Field(description="the trained model or the paper of the shapes")]
    made_by: Annotated[str, Field(description="the command or script that wrote this file")]
    data: Annotated[str, Field(description="the real input the statistics come from")] = "none"


class Trace(Model):
    """A versioned list of layer records in an order in which inputs come before their users."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    archsim_trace: Annotated[Literal[1], Field(description="format version")]
    name: str
    provenance: Provenance
    precision: Precision = Precision()
    inputs: Annotated[list[GraphInput], Field(min_length=1)]
    layers: Annotated[list[Layer], Field(min_length=1)]

    @cached_property
    def shapes(self) -> dict[str, TensorShape]:
        """Output shape of every input and layer (checked by archsim.trace.load)."""
        shapes: dict[str, TensorShape] = {i.name: tuple(i.shape) for i in self.inputs}
        for layer in self.layers:
            shapes[layer.name] = layer.output_shape([shapes[i] for i in layer.inputs])
        return shapes

    def input_shapes(self, layer: Layer) -> list[TensorShape]:
        """Shapes of a layer's inputs."""
        return [self.shapes[name] for name in layer.inputs]

    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(
            layer.macs(self.input_shapes(layer), self.shapes[layer.name]) for layer in self.layers
        )

    def parameters(self) -> int:
        """Weights of all layers, biases not counted."""
        return sum(layer.parameters() for layer in self.layers)
