"""Rules for normalisation: batch, layer, RMS, local response, group and instance."""

from __future__ import annotations

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.folding import elements, learn, receiver, scale, vector
from archsim.trace.onnx.graph import Node
from archsim.trace.onnx.patterns import FUSED_NORM, FUSED_RMS
from archsim.trace.onnx.registry import rule
from archsim.trace.operators import Norm


@rule("BatchNormalization")
def batch_norm(builder: Builder, node: Node) -> None:
    """Folded into the convolution or linear layer before it, else a norm of its own."""
    view = builder.view(node)
    draft = receiver(builder, view, node.inputs[0])
    if draft is not None and builder.drafts[draft.holder or 0].layer.stationary:
        gamma, variance = vector(builder, node.inputs[1]), vector(builder, node.inputs[4])
        factor = None
        if gamma is not None and variance is not None:
            factor = gamma / np.sqrt(variance + float(node.attribute("epsilon", 1e-5)))
        scale(builder, draft, factor)
        learn(draft, elements(builder, *node.inputs[1:3]))
        builder.views[node.outputs[0]] = builder.rename(view, node)
        return
    if len(view.axes) > 2:
        view = builder.arrange(node, view, [i for i in range(len(view.axes)) if i != 1], [1])
    builder.views[node.outputs[0]] = builder.pointwise(
        Norm, node, view, function="batch", takes_affine=True, biases=_affine(builder, node)
    )


@rule("LayerNormalization", FUSED_NORM)
def layer_norm(builder: Builder, node: Node) -> None:
    """Normalisation over some axes, which become the channels."""
    _over_channels(builder, node, "layer")


@rule("SimplifiedLayerNormalization", "RMSNormalization", "LpNormalization", FUSED_RMS)
def rms_norm(builder: Builder, node: Node) -> None:
    """Division by the root of a mean (or sum) of squares."""
    _over_channels(builder, node, "rms")


def _over_channels(builder: Builder, node: Node, function: str) -> None:
    view = builder.view(node)
    rank = len(view.axes)
    axis = int(node.attribute("axis", -1)) % rank
    last = axis + 1 if node.op == "LpNormalization" else rank
    over = node.attribute("over", list(range(axis, last)))
    view = builder.arrange(node, view, [i for i in range(rank) if i not in over], over)
    builder.views[node.outputs[0]] = builder.pointwise(
        Norm, node, view, function=function, takes_affine=True, biases=_affine(builder, node)
    )


@rule("LRN")
def local_response_norm(builder: Builder, node: Node) -> None:
    """Normalisation by the neighbouring channels (AlexNet)."""
    view = builder.view(node)
    view = builder.arrange(node, view, [i for i in range(len(view.axes)) if i != 1], [1])
    builder.views[node.outputs[0]] = builder.pointwise(
        Norm, node, view, function="local", size=int(node.attribute("size"))
    )


@rule("InstanceNormalization", "GroupNormalization")
def group_norm(builder: Builder, node: Node) -> None:
    """Statistics over all positions and a group of channels (instance: each channel alone).

    Older exporters write a group norm as an instance norm between two reshapes: axis 1 is then the
    outer part of the channels.
    """
    view = builder.view(node)
    channels = sorted((f for f in view.factors if not f.is_position), key=lambda f: f.key)
    outer = list(view.axes[1])
    if node.op == "GroupNormalization" or outer != channels[: len(outer)]:
        view = builder.arrange(node, view, [i for i in range(len(view.axes)) if i != 1], [1])
        outer = list(view.axes[1])
    groups = int(node.attribute("num_groups", layout.size(outer)))
    builder.views[node.outputs[0]] = builder.pointwise(
        Norm, node, view, function="group", groups=groups, biases=_affine(builder, node)
    )


def _affine(builder: Builder, node: Node) -> int:
    """Learnt gains and shifts of a norm."""
    return elements(builder, node.optional(1), node.optional(2))
