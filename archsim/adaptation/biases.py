"""Biases that a task brings: one value per output channel, kept in the tile's buffer."""

from __future__ import annotations

from collections.abc import Iterable

from archsim.mapping.written import Rewrite
from archsim.trace.layer import channels
from archsim.trace.model import Trace
from archsim.trace.operators import Layer


def bias_counts(layers: Iterable[Layer], trace: Trace) -> dict[str, int]:
    """Biases of some layers by name: one per output channel."""
    return {layer.name: channels(trace.shapes[layer.name]) for layer in layers}


def bias_rewrites(counts: dict[str, int], trace: Trace) -> tuple[Rewrite, ...]:
    """Writes of new biases, as wide as the trace's weights, into the buffers of their layers."""
    width = trace.precision.weight
    return tuple(Rewrite(name, "buffer", bits=count * width) for name, count in counts.items())
