"""Rules for convolutions, transposed ones too, and the window that they share with pools."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.folding import elements
from archsim.trace.onnx.graph import Array, Node
from archsim.trace.onnx.layout import View
from archsim.trace.onnx.registry import rule
from archsim.trace.onnx.weights import weight_of
from archsim.trace.operators import Conv2d, Fold, Linear


@rule("Conv")
def conv(builder: Builder, node: Node) -> None:
    """A 1-D or 2-D convolution; 1-D runs on a map one position high."""
    source = builder.view(node)
    weight_name, bias = node.inputs[1], node.optional(2)
    if not builder.is_constant(weight_name) or (bias and not builder.is_constant(bias)):
        raise builder.unsupported(node, "has a weight or bias that isn't constant")
    view = builder.feature_map(node, source)
    out, per_group, *kernel = builder.shape(weight_name)
    groups = int(node.attribute("group", 1))
    flat = len(source.axes) == 3
    axes, rank = layout.fresh(_map_shape(builder.shape(node.outputs[0])), (2, 3), (1,))
    made = builder.emit(
        Conv2d, node, [view], axes, rank,
        weight=weight_of(builder.graph, weight_name, lambda w: w.reshape(out, -1).T),
        takes_affine=True, stored=weight_name, biases=elements(builder, bias),
        in_channels=per_group * groups, out_channels=out, groups=groups,
        **window(node, view.shape[2:], kernel),
    )  # fmt: skip
    builder.views[node.outputs[0]] = squeezed(made) if flat else made


def _map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def squeezed(view: View) -> View:
    """A rank-4 view of a map one position high as rank 3."""
    axes = (*view.axes[:2], view.axes[3])
    return View(view.record, view.rank, axes, view.tensor, view.draft, view.sole)


def window(node: Node, extent: tuple[int, ...], kernel: list[int]) -> dict[str, Any]:
    """Kernel, stride, padding and dilation of a convolution or pooling node.

    extent: height and width of the input; kernel: one or two sizes, as in the node.
    """
    flat = len(kernel) == 1

    def pair(name: str) -> tuple[int, ...]:
        values = tuple(node.attribute(name) or (1,) * len(kernel))
        return (1, *values) if flat else values

    size = (1, *kernel) if flat else tuple(kernel)
    stride, dilation = pair("strides"), pair("dilations")
    pads = list(node.attribute("pads") or [0] * (2 * len(kernel)))
    padding = [0, pads[0], 0, pads[1]] if flat else pads
    auto = node.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        for axis in (0, 1):
            steps = -(-extent[axis] // stride[axis])
            covered = (size[axis] - 1) * dilation[axis] + 1
            total = max((steps - 1) * stride[axis] + covered - extent[axis], 0)
            less, more = total // 2, total - total // 2
            padding[axis] = less if auto == "SAME_UPPER" else more
            padding[axis + 2] = more if auto == "SAME_UPPER" else less
    elif auto == "VALID":
        padding = [0, 0, 0, 0]
    return {"kernel": size, "stride": stride, "padding": tuple(padding), "dilation": dilation}


@rule("ConvTranspose")
def transposed(builder: Builder, node: Node) -> None:
    """A linear layer that makes a patch of every input position, and the sum of the patches."""
    source = builder.view(node)
    weight_name, bias = node.inputs[1], node.optional(2)
    if not builder.is_constant(weight_name) or (bias and not builder.is_constant(bias)):
        raise builder.unsupported(node, "has a weight or bias that isn't constant")
    view = builder.feature_map(node, source)
    channels, per_group, *kernel = builder.shape(weight_name)
    groups = int(node.attribute("group", 1))
    out = per_group * groups
    taps = math.prod(kernel)
    flat = len(source.axes) == 3
    shape = _map_shape(builder.shape(node.outputs[0]))
    weight = weight_of(builder.graph, weight_name, partial(_patches, groups=groups))
    height, width = view.shape[2:]
    axes, rank = layout.fresh((1, out * taps, height, width), (2, 3), (1,))
    index = len(builder.drafts)
    common: dict[str, Any] = {
        "tensor": view.tensor, "weight": weight, "stored": weight_name,
        "derive": partial(_made, builder=builder, index=index, axes=view.axes, groups=groups),
    }  # fmt: skip
    if groups == 1:
        patches = builder.emit(
            Linear, node, [view], axes, rank, in_features=channels, out_features=out * taps,
            **common,
        )  # fmt: skip
    else:
        patches = builder.emit(
            Conv2d, node, [view], axes, rank, in_channels=channels, out_channels=out * taps,
            groups=groups, kernel=(1, 1), **common,
        )  # fmt: skip
    fields = window(node, view.shape[2:], kernel)
    fields["padding"] = _cut(node, fields, (height, width), shape[2:])
    axes, rank = layout.fresh(shape, (2, 3), (1,))
    made = builder.emit(
        Fold, node, [patches], axes, rank, takes_affine=True, holder=index,
        hint=f"{patches.record}.fold", biases=elements(builder, bias), **fields,
    )  # fmt: skip
    builder.views[node.outputs[0]] = squeezed(made) if flat else made


def _patches(weight: Array, groups: int) -> Array:
    """(in, out / groups, kernel...) as (in / groups, out * taps), the columns group by group."""
    channels = weight.shape[0]
    split = weight.reshape(groups, channels // groups, -1)
    return split.transpose(1, 0, 2).reshape(channels // groups, -1)


def _made(values: Array, builder: Builder, index: int, axes: layout.Axes, groups: int) -> Array:
    """What the linear half of a transposed convolution gives, [1, out * taps, H, W]."""
    weight = builder.drafts[index].weight
    assert weight is not None  # a model without weights isn't run
    matrix = weight.real
    rows = layout.rows(values, axes).astype(np.float64)
    parts = [
        part @ block
        for part, block in zip(
            np.split(rows, groups, axis=1), np.split(matrix, groups, axis=1), strict=True
        )
    ]
    height, width = (layout.size(axis) for axis in axes[2:])
    found: Array = np.concatenate(parts, axis=1).T.reshape(1, -1, height, width)
    return found


def _cut(
    node: Node, fields: dict[str, Any], extent: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Positions cut off the sum of the patches; a padding below zero adds positions instead."""
    pads = list(fields["padding"])
    auto = node.attribute("auto_pad", "NOTSET")
    for axis in (0, 1):
        covered = (fields["kernel"][axis] - 1) * fields["dilation"][axis] + 1
        total = (extent[axis] - 1) * fields["stride"][axis] + covered - shape[axis]
        if auto in ("SAME_UPPER", "SAME_LOWER") or node.attribute("output_shape"):
            less = total // 2
            pads[axis] = less if auto == "SAME_UPPER" else total - less
        pads[axis + 2] = max(total - pads[axis], 0)
    return tuple(max(pad, 0) for pad in pads)
