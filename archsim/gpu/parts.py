"""The products of a kernel's layers as a GPU cuts them."""

from __future__ import annotations

from typing import Final

from archsim.gpu.fusion import Group
from archsim.gpu.phase import Number, Phase
from archsim.gpu.tiles import Attention, Part, Product
from archsim.trace.layer import positions
from archsim.trace.operators import Conv2d, Layer, Linear, MatMul, Recurrent

SOFTMAX_OPS: Final = 43
"""fp32 operations that a softmax takes per score, its exponential and conversions included
(fitted: docs/gpu.md)."""


def parts_of(phase: Phase, group: Group, batch: int) -> tuple[Part, ...]:
    """Products of one pass over a kernel's layers, for `batch` inferences together.

    Fully connected layers that share their input are one product. The two products of an attention
    are one part with the softmax between.
    """
    layers = [layer for layer in group.layers if phase.runs(layer)]
    products = _attention(group)
    if products:
        first = products[0]
        return (
            Attention(
                heads=first.heads * first.sequences * batch,
                rows=_rows(phase, first) / first.sequences,
                matrix=2 * batch * sum((phase.macs(layer) for layer in products), 0.0),
                vector=batch * sum((softmax_ops(phase, group, x) for x in layers), 0.0),
            ),
        )
    linear: dict[tuple[str, ...], Product] = {}
    found: list[Part] = []
    for layer in layers:
        if isinstance(layer, Linear):
            one = Product(batch * _rows(phase, layer), layer.columns, layer.rows)
            other = linear.get(tuple(layer.inputs))
            columns = one.columns + (other.columns if other else 0)
            linear[tuple(layer.inputs)] = Product(one.rows, columns, one.inner)
        elif isinstance(layer, Recurrent):
            found.append(Product(batch, layer.columns, layer.rows))
        elif isinstance(layer, MatMul):
            found.append(_product(phase, layer, batch))
        elif isinstance(layer, Conv2d):
            rows, depthwise = batch * _rows(phase, layer), layer.groups > 1
            found.append(Product(rows, layer.columns, layer.rows, layer.groups, depthwise))
    return (*linear.values(), *found)


def softmax_ops(phase: Phase, group: Group, layer: Layer) -> Number:
    """fp32 operations of a softmax, else 0; a fused one leaves out what a mask hides."""
    if layer.op != "softmax":
        return 0.0
    made = SOFTMAX_OPS * phase.produced(layer.name)
    products = _attention(group)
    if not products:
        return made
    scores = products[0]
    full = scores.per_token * scores.sequences * _rows(phase, scores) / scores.sequences
    span = float(scores.span) if phase.name == "whole" else phase.keys
    return made * phase.macs(scores) / (full * span)


def _attention(group: Group) -> list[MatMul]:
    """Both products of a fused attention; none if the kernel is something else."""
    products = [layer for layer in group.layers if isinstance(layer, MatMul)]
    return products if len(products) == 2 else []


def _rows(phase: Phase, layer: Layer) -> Number:
    """Positions of the output that the phase makes."""
    return positions(phase.trace.shapes[layer.name]) * phase.row_share(layer.name)


def _product(phase: Phase, layer: MatMul, batch: int) -> Product:
    """A product of activations alone: a row sees as many positions as it does on average."""
    rows = _rows(phase, layer) / layer.sequences
    keys = phase.macs(layer) / (layer.per_token * layer.sequences * rows)
    count = layer.heads * layer.sequences * batch
    if layer.transposed:
        return Product(rows, keys, layer.k, count)
    return Product(rows, layer.n, keys, count)
