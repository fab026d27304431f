"""Work that grows along a sequence: position t of a causal product attends to t + 1 tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from archsim.trace import operators as op
from archsim.trace.layer import LayerBase, TensorShape, positions
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Growth:
    """Step t of a sequence does counts[t] / span of the full work.

    counts: tokens that each step attends to; sequences: how many are interleaved
    (position = step * sequences + sequence).
    """

    counts: tuple[int, ...]
    span: int
    sequences: int = 1

    @cached_property
    def mean(self) -> float:
        """Share of the full work that an average step does."""
        return sum(self.counts) / (len(self.counts) * self.span)

    @cached_property
    def least(self) -> int:
        """Tokens that the step with the fewest attends to."""
        return min(self.counts)

    @cached_property
    def table(self) -> tuple[int, ...]:
        """What each step does more than the least; () if that is one token more at each step."""
        found = tuple(count - self.least for count in self.counts)
        return () if found == tuple(range(len(found))) else found

    def service(self, full: int) -> tuple[int, int]:
        """Ticks of the least step and more ticks per token, for `full` ticks of the full work.

        Exact if `span` divides `full`; otherwise every step is rounded up by less than `span`.
        """
        slope = full // self.span
        return full - slope * (self.span - self.least), slope


def growths(trace: Trace) -> dict[str, Growth]:
    """The layers whose output has one channel per attended token and head, and so grows.

    These are the scores of masked products and what is done to them position by position.
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
    """How the work of a masked product grows; None for every other layer."""
    if not isinstance(layer, op.MatMul) or not layer.masked:
        return None
    counts = layer.attended(positions(inputs[0])).count
    return Growth(tuple(counts.tolist()), layer.span, layer.sequences)


def finest(trace: Trace) -> int:
    """The longest span of a growing layer: ticks are cut that fine, 1 if nothing grows."""
    spans = (x.span for x in trace.layers if isinstance(x, op.MatMul) and x.masked)
    return max(spans, default=1)
