"""What one training step does: per layer, and summed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Optimizer = Literal["sgd", "momentum", "adam"]
STATES: Final[dict[str, int]] = {"sgd": 0, "momentum": 1, "adam": 2}
"""Values that an optimiser keeps per trained value: none; velocity; both moments (Kingma and Ba,
ICLR 2015)."""


@dataclass(frozen=True)
class Stored:
    """A tensor kept from the forward pass for the backward pass, for a whole mini-batch.

    tensor: the layer or input that made it; bits: of one element; reason: what needs it.
    """

    tensor: str
    elements: int
    bits: int
    reason: str

    @property
    def total_bits(self) -> int:
        return self.elements * self.bits


@dataclass(frozen=True)
class LayerLearning:
    """One layer in one training step; counts are those of the whole mini-batch.

    runs_backward: the loss's gradient comes to its output. needs_input_gradient: it goes on to one
    of its inputs at least. stored: tensors kept because of this layer; one that several layers
    need stands at the first. updates: trained values; states: values of the optimiser beside them.
    """

    name: str
    op: str
    runs_backward: bool
    needs_input_gradient: bool
    needs_weight_gradient: bool
    stored: tuple[Stored, ...]
    weights: int
    input_elements: int
    output_elements: int
    forward_macs: int
    input_gradient_macs: int
    weight_gradient_macs: int
    updates: int
    states: int

    @property
    def stored_bits(self) -> int:
        return sum(item.total_bits for item in self.stored)


@dataclass(frozen=True)
class LearningWork:
    """One training step on a mini-batch. Memory in bits.

    transient_bits: inputs and outputs of the layer with most of them, of which activations or
    their gradients are there while it runs.
    """

    trace: str
    batch: int
    optimizer: Optimizer
    weight_bits: int
    activation_bits: int
    gradient_bits: int
    state_bits: int
    layers: tuple[LayerLearning, ...]
    weight_memory_bits: int
    transient_bits: int

    @property
    def forward_macs(self) -> int:
        return self._sum(lambda layer: layer.forward_macs)

    @property
    def input_gradient_macs(self) -> int:
        return self._sum(lambda layer: layer.input_gradient_macs)

    @property
    def weight_gradient_macs(self) -> int:
        return self._sum(lambda layer: layer.weight_gradient_macs)

    @property
    def backward_macs(self) -> int:
        return self.input_gradient_macs + self.weight_gradient_macs

    @property
    def trainable(self) -> int:
        """Trained values, each updated once."""
        return self._sum(lambda layer: layer.updates)

    @property
    def stored_bits(self) -> int:
        """Activations kept for the backward pass."""
        return self._sum(lambda layer: layer.stored_bits)

    @property
    def gradient_memory_bits(self) -> int:
        """Gradients of the trained values."""
        return self.trainable * self.gradient_bits

    @property
    def state_memory_bits(self) -> int:
        """The optimiser's states."""
        return self._sum(lambda layer: layer.states) * self.state_bits

    @property
    def peak_bits(self) -> int:
        """Weights + gradients + optimiser states + stored activations + the largest transient."""
        return (
            self.weight_memory_bits
            + self.gradient_memory_bits
            + self.state_memory_bits
            + self.stored_bits
            + self.transient_bits
        )

    @property
    def weight_bits_written(self) -> int:
        """Bits of weights that the update writes: what wears cells where weights are in cells."""
        return self.trainable * self.weight_bits

    @property
    def bits_written(self) -> int:
        """Weights and optimiser states that the update writes."""
        return self.weight_bits_written + self.state_memory_bits

    def _sum(self, of: Callable[[LayerLearning], int]) -> int:
        return sum(of(layer) for layer in self.layers)
