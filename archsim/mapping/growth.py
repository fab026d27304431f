"""Work that grows along a sequence: position t of a causal product attends to t + 1 tokens."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.trace import operators as op
from archsim.trace.layer import LayerBase, TensorShape, positions
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Growth:
    """Step t of a sequence does (first + t) / span of the full work.

    first: tokens that the first step attends to; steps: steps of a sequence; sequences: how many
    are interleaved (position = step * sequences + sequence).
    """

    first: int
    span: int
    steps: int
    sequences: int = 1

    @property
    def mean(self) -> float:
        """Share of the full work that an average step does."""
        return (2 * self.first + self.steps - 1) / (2 * self.span)

    def service(self, full: int) -> tuple[int, int]:
        """Ticks of the first step and more ticks per step, for `full` ticks of the full work.

        Exact if `span` divides `full`; otherwise every step is rounded up by less than `span`.
        """
        slope = full // self.span
        return full - slope * (self.span - self.first), slope


def growths(trace: Trace) -> dict[str, Growth]:
    """The layers whose output has one channel per attended token and head, and so grows.

    These are the scores of causal products and what is done to them position by position.
    """
    found: dict[str, Growth] = {}
    for layer in trace.layers:
        own = product_growth(layer, trace.input_shapes(layer))
        if own is not None and isinstance(layer, op.MatMul) and layer.transposed:
            found[layer.name] = own
        elif isinstance(layer, op.Softmax | op.Activation | op.Elementwise):
            grown = [found[name] for name in layer.inputs if name in found]
            if grown:
                found[layer.name] = grown[0]
    return found


def product_growth(layer: LayerBase, inputs: list[TensorShape]) -> Growth | None:
    """How the work of a causal product grows; None for every other layer."""
    if not isinstance(layer, op.MatMul) or not layer.causal:
        return None
    steps = positions(inputs[0]) // layer.sequences
    return Growth(layer.attended(steps)[0], layer.span, steps, layer.sequences)


def finest(trace: Trace) -> int:
    """The longest span of a growing layer: ticks are cut that fine, 1 if nothing grows."""
    own = [product_growth(layer, trace.input_shapes(layer)) for layer in trace.layers]
    return max((growth.span for growth in own if growth is not None), default=1)
