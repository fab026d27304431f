"""Block-circulant weights: a model whose layers have weights made of circulant blocks."""

from __future__ import annotations

from archsim.trace.layer import LayerBase
from archsim.trace.model import Trace
from archsim.trace.operators import Conv2d, Linear


def with_circulant(trace: Trace, side: int) -> Trace:
    """The trace with blocks of `side` x `side` in every layer whose channels they fill.

    Layers whose input or output channels are no multiples of `side`, or that have groups, keep
    their weights (a first layer of 3 channels does). Statistics of the weights are left out: those
    of a circulant model are not known. Shapes, and MACs counted on whole matrices, stay.
    """
    layers = [_changed(layer, side) for layer in trace.layers]
    return trace.model_copy(update={"layers": layers})


def _changed(layer: LayerBase, side: int) -> LayerBase:
    if isinstance(layer, Conv2d):
        fits = layer.groups == 1 and not (layer.in_channels % side or layer.out_channels % side)
    elif isinstance(layer, Linear):
        fits = not (layer.in_features % side or layer.out_features % side)
    else:
        return layer
    return layer.model_copy(update={"circulant": side, "weight_stats": None}) if fits else layer
