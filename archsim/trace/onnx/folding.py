"""Constants that vanish into the layer before them: biases, scales, batch normalisation."""

from __future__ import annotations

import math

import numpy as np

from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Array, Node
from archsim.trace.onnx.layout import View
from archsim.trace.onnx.masks import is_table
from archsim.trace.onnx.record import Draft


def fold(
    builder: Builder, node: Node, view: View, tensor: str, constant: str, on_left: bool
) -> View | None:
    """Fold `activation op constant` into the layer before it; None where that can't be.

    A bias disappears, a scale goes into the weights. Possible when the layer takes an affine
    function of its output channels, nobody else reads its output, and the constant is one
    value or one per channel.
    """
    draft = receiver(builder, view, tensor)
    if draft is None or (node.op == "Div" and on_left):
        return None
    if not is_per_channel(builder, view, constant):
        return None
    value = vector(builder, constant)
    if node.op in ("Mul", "Div") or (node.op == "Sub" and on_left):
        factor = np.asarray(-1.0) if node.op == "Sub" else value
        if factor is not None and node.op == "Div":
            factor = 1 / factor
        scale(builder, draft, factor)
    learn(draft, learnt(builder, constant))
    return builder.rename(view, node)


def receiver(builder: Builder, view: View, tensor: str) -> Draft | None:
    """The layer that wrote `tensor`, if an affine function can be folded into it."""
    if view.draft < 0 or not builder.is_sole(view, tensor):
        return None
    draft = builder.drafts[view.draft]
    return None if draft.holder is None else draft


def scale(builder: Builder, draft: Draft, factor: Array | None) -> None:
    """Multiply each output channel of a layer; None: by values that the file lacks."""
    assert draft.holder is not None  # asked by `receiver`
    holder = builder.drafts[draft.holder]
    if holder.weight is None:
        return
    if factor is None:
        holder.weight = None
        return
    columns = holder.weight.values.shape[1]
    if factor.size > 1:  # of a transposed convolution every channel has a whole patch
        factor = np.repeat(factor.ravel(), columns // factor.size)
    holder.weight = holder.weight.scaled(factor)


def learn(draft: Draft, count: int) -> None:
    """Count values that the model has learnt and that the layer takes in."""
    if count:
        draft.layer = draft.layer.model_copy(update={"biases": draft.layer.biases + count})


def elements(builder: Builder, *names: str | None) -> int:
    """Elements of an operator's own constants: a bias, the gain and shift of a norm."""
    return sum(math.prod(builder.shape(name)) for name in names if name)


def learnt(builder: Builder, name: str) -> int:
    """Elements of an operand that the file stores; a single value belongs to a formula.

    Masks, position ids and tables of angles are stored, but not learnt.
    """
    size = elements(builder, name)
    if size <= 1 or name not in builder.graph.roots:
        return 0
    return 0 if is_table(builder.graph.constants[name]) else size


def is_per_channel(builder: Builder, view: View, constant: str) -> bool:
    """True for a constant of one value, or of one per channel of the record."""
    shape = builder.shape(constant)
    if len(shape) > len(view.axes):
        return False
    padded = (1,) * (len(view.axes) - len(shape)) + shape
    wide = [i for i, extent in enumerate(padded) if extent > 1]
    if not wide:
        return True
    channels = sorted((f for f in view.factors if not f.is_position), key=lambda f: f.key)
    return len(wide) == 1 and list(view.axes[wide[0]]) == channels


def vector(builder: Builder, constant: str) -> Array | None:
    """A constant's values as a flat float array, None where the file lacks them."""
    value = builder.graph.constants[constant]
    return None if value is None else np.asarray(value, np.float64).ravel()
