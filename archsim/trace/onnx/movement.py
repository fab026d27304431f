"""Rules for operators that move data: relabelled where possible, else a move layer."""

from __future__ import annotations

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Dims, Node
from archsim.trace.onnx.layout import CHANNEL, Axes, Factor, View
from archsim.trace.onnx.registry import rule
from archsim.trace.operators import Embedding


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(builder: Builder, node: Node) -> None:
    """Regroups axes; a move only where a new axis cuts across old ones."""
    view, shape = builder.view(node), builder.shape(node.outputs[0])
    axes = layout.reshape(view.axes, shape)
    if axes is not None:
        builder.views[node.outputs[0]] = builder.relabel(view, axes, node)
        return
    made, rank = default_layout(shape)
    builder.views[node.outputs[0]] = builder.move(node, [view], made, rank, "reshape")


@rule("Transpose")
def transpose(builder: Builder, node: Node) -> None:
    """Permutes axes, which costs nothing until a layer finds the wrong axis last."""
    view = builder.view(node)
    order = node.attribute("perm") or list(range(len(view.axes)))[::-1]
    axes = tuple(view.axes[i] for i in order)
    builder.views[node.outputs[0]] = builder.relabel(view, axes, node)


@rule("Identity")
def identity(builder: Builder, node: Node) -> None:
    """What is left of a group of nodes that changes no value; its result is the layer's."""
    view, source = builder.view(node), node.inputs[0]
    if view.draft >= 0 and builder.is_sole(view, source):
        builder.views[node.outputs[0]] = builder.rename(view, node)
    else:
        builder.views[node.outputs[0]] = builder.relabel(view, view.axes, node)


@rule("Slice")
def cut(builder: Builder, node: Node) -> None:
    """A constant slice; the whole tensor again is no move."""
    steps = builder.graph.constants.get(node.optional(4) or "")
    forward = steps is None or bool(np.all(steps > 0))
    _resized(builder, node, builder.view(node), "slice", free=forward)


@rule("Split")
def split(builder: Builder, node: Node) -> None:
    """One slice for each output that is used."""
    view = builder.view(node)
    for index, name in enumerate(node.outputs):
        if builder.uses[name]:
            _resized(builder, node, view, "slice", index, free=True)


@rule("Pad")
def pad(builder: Builder, node: Node) -> None:
    """Padding of its own (a convolution's padding is in the convolution)."""
    _resized(builder, node, builder.view(node), "pad", free=True)


@rule("Tile")
def tile(builder: Builder, node: Node) -> None:
    """Copies side by side: of single values a broadcast, else like a pad with other data."""
    view, shape = builder.view(node), builder.shape(node.outputs[0])
    broadcast = all(old in (1, new) for old, new in zip(view.shape, shape, strict=True))
    _resized(builder, node, view, "resize" if broadcast else "pad", free=True)


@rule("DepthToSpace", "SpaceToDepth")
def blocks(builder: Builder, node: Node) -> None:
    """Channels become positions, or positions channels."""
    axes, rank = default_layout(builder.shape(node.outputs[0]))
    builder.views[node.outputs[0]] = builder.move(
        node, [builder.view(node)], axes, rank, "transpose"
    )


@rule("Resize", "Upsample")
def resize(builder: Builder, node: Node) -> None:
    """Interpolation to another size."""
    _resized(builder, node, builder.view(node), "resize", free=True)


def _resized(
    builder: Builder, node: Node, view: View, function: str, output: int = 0, free: bool = False
) -> None:
    """A move layer to the ONNX output shape; no layer if the shape stays and `free`."""
    name = node.outputs[output]
    shape = builder.shape(name)
    if shape == view.shape and free:
        builder.views[name] = builder.relabel(view, view.axes, node)
        return
    axes = layout.resized(view.axes, shape)
    made, rank = (axes, view.rank) if axes is not None else _like(view, shape)
    builder.views[name] = builder.move(node, [view], made, rank, function, output=output)


@rule("Concat")
def concat(builder: Builder, node: Node) -> None:
    """Activations side by side along one axis; constant parts make it a `pad`."""
    names = [name for name in node.inputs if not builder.is_constant(name)]
    views = [builder.views[name] for name in names]
    shape = builder.shape(node.outputs[0])
    axis = int(node.attribute("axis", 1)) % len(shape)
    model = max(views, key=lambda view: len(view.axes[axis]))
    axes = layout.resized(model.axes, shape)
    made, rank = (axes, model.rank) if axes is not None else _like(model, shape)
    views = [_matching(builder, node, view, made) for view in views]
    if len(views) == 1 and views[0].shape == shape:
        builder.views[node.outputs[0]] = builder.relabel(views[0], views[0].axes, node)
        return
    function = "concat" if len(names) == len(node.inputs) else "pad"
    builder.views[node.outputs[0]] = builder.move(node, views, made, rank, function)


def _matching(builder: Builder, node: Node, view: View, axes: Axes) -> View:
    """The view with the same axes as channels as in `axes`."""
    channels = [
        i
        for i, (old, new) in enumerate(zip(view.axes, axes, strict=True))
        if not (new or old or (Factor((0,), 1),))[0].is_position
    ]
    positions = [i for i in range(len(axes)) if i not in channels]
    return builder.arrange(node, view, positions, channels)


@rule("Gather")
def gather(builder: Builder, node: Node) -> None:
    """Rows of a constant table (embedding), or constant indices into an activation (slice)."""
    table, indices = node.inputs[:2]
    axis = int(node.attribute("axis", 0))
    if builder.is_constant(table):
        shape = builder.shape(table)
        if len(shape) != 2 or axis % 2:
            raise builder.unsupported(node, f"looks up a table of shape {list(shape)}")
        view = builder.view(node, 1)
        view = builder.arrange(node, view, list(range(len(view.axes))), [])
        features: tuple[Factor, ...] = (Factor((CHANNEL, 0), shape[1]),) if shape[1] > 1 else ()
        builder.views[node.outputs[0]] = builder.emit(
            Embedding, node, [view], (*view.axes, features), view.rank, stored=table,
            rows=shape[0], features=shape[1],
        )  # fmt: skip
        return
    if not builder.is_constant(indices):
        raise builder.unsupported(node, "picks by indices that aren't constant")
    view = builder.view(node)
    axis %= len(view.axes)
    wanted = builder.shape(indices)
    if len(wanted) > 1:
        _picked(builder, node, view, axis, wanted)
        return
    kept = list(view.shape)
    kept[axis] = wanted[0] if wanted else 1
    axes = layout.resized(view.axes, tuple(kept))
    made, rank = (axes, view.rank) if axes is not None else _like(view, tuple(kept))
    if not wanted:
        made = made[:axis] + made[axis + 1 :]
    builder.views[node.outputs[0]] = builder.move(node, [view], made, rank, "slice")


def _picked(builder: Builder, node: Node, view: View, axis: int, wanted: Dims) -> None:
    """Constant indices of several axes: a reshape, behind a slice unless all are there in order."""
    value = builder.graph.constants[node.inputs[1]]
    shape, count = view.shape, int(np.prod(wanted))
    axes, rank = view.axes, view.rank
    listed = None if value is None else value.ravel() % shape[axis]
    if listed is None or not np.array_equal(listed, np.arange(shape[axis])):
        kept = (*shape[:axis], count, *shape[axis + 1 :])
        same = layout.resized(axes, kept)
        axes, rank = (same, view.rank) if same is not None else _like(view, kept)
        parts = layout.reshape(axes, builder.shape(node.outputs[0]))
        if parts is None:
            raise builder.unsupported(node, "picks by indices that cut across axes")
        builder.views[node.outputs[0]] = builder.move(node, [view], parts, rank, "slice")
        return
    parts = layout.reshape(axes, builder.shape(node.outputs[0]))
    if parts is not None:
        builder.views[node.outputs[0]] = builder.relabel(view, parts, node)
        return
    made, rank = default_layout(builder.shape(node.outputs[0]))
    builder.views[node.outputs[0]] = builder.move(node, [view], made, rank, "reshape")


@rule("GatherND", "GatherElements")
def pick(builder: Builder, node: Node) -> None:
    """Elements at constant indices."""
    if not builder.is_constant(node.inputs[1]):
        raise builder.unsupported(node, "picks by indices that aren't constant")
    view, shape = builder.view(node), builder.shape(node.outputs[0])
    same = shape == view.shape
    made, rank = (view.axes, view.rank) if same else default_layout(shape)
    builder.views[node.outputs[0]] = builder.move(node, [view], made, rank, "slice")


def _like(view: View, shape: Dims) -> tuple[Axes, int]:
    """A new record for a shape: each axis keeps the role it has in the view.

    An axis that had size 1: as by default for tensors of this rank.
    """
    usual, _ = default_layout(shape)
    channels = [
        i for i, axis in enumerate(view.axes) if any(not f.is_position for f in (axis or usual[i]))
    ]
    keep = (2, 3) if len(shape) == 4 and 1 in channels else ()
    positions = [
        i
        for i in range(len(shape))
        if i not in channels and (shape[i] > 1 or (i in keep and view.rank == 2))
    ]
    return layout.fresh(shape, positions, channels)


def default_layout(shape: Dims) -> tuple[Axes, int]:
    """The layout of a tensor whose past says nothing: rank 4 is NCHW, else channels are last."""
    if len(shape) == 4:
        return layout.fresh(shape, (2, 3), (0, 1))
    wide = [i for i in range(len(shape) - 1) if shape[i] > 1]
    if len(wide) > 3:  # a record has at most three position axes: the outer ones count as channels
        return layout.fresh(shape, wide[-3:], [*wide[:-3], len(shape) - 1])
    return layout.fresh(shape, wide, [len(shape) - 1] if shape else [])
