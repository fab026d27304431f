"""ATen operators that move data or only rename it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import fx

from archsim.trace.onnx.graph import Array
from archsim.trace.pytorch.emitter import Emitter
from archsim.trace.pytorch.registry import rule

Ints = Sequence[int]


@rule("contiguous", "clone", "detach", "to", "_to_copy", "type_as", "alias", "dropout",
      "lift_fresh", "alpha_dropout", "feature_dropout",
      "lift_fresh_copy", "detach_", "positive", "copy_to",
      "native_dropout", "_assert_tensor_metadata", "resolve_conj", "resolve_neg")  # fmt: skip
def identity(e: Emitter, node: fx.Node, **given: Any) -> None:
    """The input under another name or type."""
    source = next(iter(given.values()))
    e.same(node, source)
    e.alias_entry(node, 0, e.name(source))


@rule("copy")
def copy(e: Emitter, node: fx.Node, source: Any, src: Any, **rest: Any) -> None:
    """All of a tensor overwritten."""
    if not isinstance(src, fx.Node) or e.graph.shapes[e.name(src)] != e.shape(node):
        e.emit("Expand", node, [src])
    else:
        e.same(node, src)


@rule("view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze", "unflatten", "view_as",
      "view_copy", "_reshape_alias", "_reshape_copy")  # fmt: skip
def reshape(e: Emitter, node: fx.Node, **given: Any) -> None:
    """Anything that regroups axes: the shape of the result says all."""
    e.emit("Reshape", node, [next(iter(given.values()))])


@rule("expand", "broadcast_to", "expand_as")
def expand(e: Emitter, node: fx.Node, source: Any, **rest: Any) -> None:
    """Repeated values."""
    if e.graph.shapes[e.name(source)] == e.shape(node):
        e.same(node, source)
        return
    e.emit("Expand", node, [_lifted(e, node, source)])


def _lifted(e: Emitter, node: fx.Node, source: Any) -> str:
    """The source with axes of 1 in front, as many as the result has."""
    inner = e.name(source)
    lift = len(e.shape(node)) - len(e.graph.shapes[inner])
    if not lift:
        return inner
    shape = (1,) * lift + e.graph.shapes[inner]
    return e.emit(
        "Reshape", node, [inner], "lifted", shape, of=inner, derive=lambda a: a.reshape(shape)
    )


@rule("permute")
def permute(e: Emitter, node: fx.Node, source: Any, dims: Ints) -> None:
    """Axes in another order."""
    _transpose(e, node, source, list(dims))


@rule("transpose", "swapaxes")
def transpose(e: Emitter, node: fx.Node, source: Any, dim0: int, dim1: int) -> None:
    """Two axes exchanged."""
    order = list(range(len(e.shape(node))))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    _transpose(e, node, source, order)


@rule("t", "numpy_T", "mT")
def turn(e: Emitter, node: fx.Node, source: Any) -> None:
    """A matrix transposed."""
    order = list(range(len(e.shape(node))))
    _transpose(e, node, source, [*order[:-2], *order[-2:][::-1]])


def _transpose(e: Emitter, node: fx.Node, source: Any, order: list[int]) -> None:
    e.emit("Transpose", node, [source], perm=[axis % len(order) for axis in order])


@rule("cat")
def concat(e: Emitter, node: fx.Node, tensors: Sequence[Any], dim: int = 0) -> None:
    """Side by side along one axis; empty parts are nothing."""
    parts = [one for one in tensors if 0 not in e.graph.shapes[e.name(one)]]
    if len(parts) == 1:
        e.same(node, parts[0])
    else:
        e.emit("Concat", node, parts, axis=dim % len(e.shape(node)))


@rule("stack")
def stack(e: Emitter, node: fx.Node, tensors: Sequence[Any], dim: int = 0) -> None:
    """Along a new axis."""
    axis = dim % len(e.shape(node))
    shape = tuple(1 if i == axis else n for i, n in enumerate(e.shape(node)))
    parts = [
        e.emit("Reshape", node, [one], f"part{i}", shape, of=one, derive=lambda a: a.reshape(shape))
        if e.live(one) else
        e.joined(node, e.array(one).reshape(shape), [one], f"part{i}")
        for i, one in enumerate(tensors)
    ]  # fmt: skip
    e.emit("Concat", node, parts, axis=axis)


@rule("split", "chunk", "split_with_sizes", "tensor_split")
def split(e: Emitter, node: fx.Node, **given: Any) -> None:
    """Parts along one axis."""
    source = next(iter(given.values()))
    before = e.graph.shapes[e.name(source)]
    sizes = e.results[node.name]
    if len(sizes) == 1:
        e.same(node, source)
        return
    axis = next((i for i, n in enumerate(before) if sizes[0][i] != n), 0)
    e.several("Split", node, [source], len(sizes), axis=axis)


@rule("unbind")
def unbind(e: Emitter, node: fx.Node, source: Any, dim: int = 0) -> None:
    """All entries along an axis."""
    before = e.graph.shapes[e.name(source)]
    for i, shape in enumerate(e.results[node.name]):
        part = _slice(e, node, source, dim % len(before), i, i + 1, f"cut{i}")
        name = f"{node.name}.{i}"
        e.graph.shapes[name] = shape
        e.describe(name, node, i)
        e.raw("Reshape", e.label(node, "unbind"), [part], [name])


@rule("getitem")
def getitem(e: Emitter, node: fx.Node, items: Any, index: int) -> None:
    """One of several results."""
    e.entry(node, items, index)


@rule("slice", "narrow")
def cut(
    e: Emitter, node: fx.Node, source: Any, dim: int = 0, start: Any = None, end: Any = None,
    step: int = 1, length: Any = None,
) -> None:  # fmt: skip
    """Entries along one axis, in equal steps."""
    before = e.graph.shapes[e.name(source)]
    axis = dim % len(before)
    first, last, _ = slice(start, end, step).indices(before[axis])
    if length is not None:
        first = start % before[axis] if start < 0 else start
        last = first + length
    if before == e.shape(node):
        e.same(node, source)
        return
    bounds = [np.array([n]) for n in (first, last, axis, step)]
    named = [e.constant(b, f"{node.name}:bound{i}") for i, b in enumerate(bounds)]
    e.emit("Slice", node, [source, *named])


@rule("select")
def select(e: Emitter, node: fx.Node, source: Any, dim: int, index: Any) -> None:
    """One entry along an axis."""
    before = e.graph.shapes[e.name(source)]
    axis = dim % len(before)
    place = int(e.value(index)) % before[axis]
    part = _slice(e, node, source, axis, place, place + 1, "cut")
    e.emit("Reshape", node, [part])


def _slice(
    e: Emitter, node: fx.Node, source: Any, axis: int, first: int, last: int, part: str
) -> str:
    """A slice on the way to the node's result, whose values are the result's."""
    before = e.graph.shapes[e.name(source)]
    shape = tuple(last - first if i == axis else n for i, n in enumerate(before))
    if shape == before:
        return e.name(source)
    bounds = [np.array([n]) for n in (first, last, axis, 1)]
    named = [e.constant(b, f"{node.name}:{part}{i}") for i, b in enumerate(bounds)]
    return e.emit(
        "Slice",
        node,
        [source, *named],
        part,
        shape,
        of=source,
        derive=lambda values: values.take(range(first, last), axis),
    )


@rule("flip")
def flip(e: Emitter, node: fx.Node, source: Any, dims: Ints) -> None:
    """Entries in the reverse order."""
    e.emit("Flip", node, [source])


@rule("roll")
def roll(e: Emitter, node: fx.Node, source: Any, **rest: Any) -> None:
    """Entries moved along an axis, the last ones to the front."""
    e.emit("Roll", node, [source])


@rule("index_select", "gather", "take_along_dim")
def index_select(
    e: Emitter, node: fx.Node, source: Any, index: Any = None, dim: int = 0, **rest: Any
) -> None:
    """Chosen entries along one axis; which they are is known from the run."""
    e.keep(index)
    places = e.value(index)
    rank = len(e.graph.shapes[e.name(source)])
    if str(node.target).startswith("aten.index_select"):
        _gather(e, node, source, places, dim % rank)
    else:
        e.emit("Pick", node, [source])


@rule("index")
def index(e: Emitter, node: fx.Node, source: Any, indices: Sequence[Any]) -> None:
    """Lists of places along some axes; which they are is known from the run."""
    for one in indices:
        e.keep(one)
    used = [(axis, one) for axis, one in enumerate(indices) if one is not None]
    places = e.value(used[0][1]) if len(used) == 1 else None
    if isinstance(places, torch.Tensor) and places.ndim == 1 and places.dtype != torch.bool:
        _gather(e, node, source, places, used[0][0])
    else:
        e.emit("Pick", node, [source])


def _gather(e: Emitter, node: fx.Node, source: Any, places: torch.Tensor, axis: int) -> None:
    """Entries along one axis; consecutive ones are a slice."""
    before = e.graph.shapes[e.name(source)]
    numbers = np.asarray(places.reshape(-1)) % before[axis]
    if e.shape(node) == before and np.array_equal(numbers, np.arange(before[axis])):
        e.same(node, source)
    elif len(numbers) and np.array_equal(numbers, numbers[0] + np.arange(len(numbers))):
        bounds = [np.array([n]) for n in (numbers[0], numbers[0] + len(numbers), axis, 1)]
        named = [e.constant(b, f"{node.name}:bound{i}") for i, b in enumerate(bounds)]
        e.emit("Slice", node, [source, *named])
    else:
        e.emit("Gather", node, [source, e.constant(numbers, f"{node.name}:places")], axis=axis)


@rule("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
      "replication_pad2d", "replication_pad3d", "reflection_pad3d")  # fmt: skip
def pad(e: Emitter, node: fx.Node, source: Any, **rest: Any) -> None:
    """Constant or repeated values around a tensor; a negative padding cuts."""
    e.emit("Pad", node, [source])


@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_bilinear2d",
      "upsample_linear1d", "upsample_bicubic2d", "_upsample_nearest_exact2d",
      "upsample_trilinear3d",
      "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_nearest_exact1d",
      "_upsample_nearest_exact3d")  # fmt: skip
def resize(e: Emitter, node: fx.Node, **given: Any) -> None:
    """Another size of a map."""
    e.emit("Resize", node, [next(iter(given.values()))])


@rule("repeat", "tile", "repeat_interleave")
def repeat(e: Emitter, node: fx.Node, source: Any = None, **rest: Any) -> None:
    """Copies side by side."""
    e.emit("Tile", node, [_lifted(e, node, source)])


@rule("pixel_shuffle")
def pixel_shuffle(e: Emitter, node: fx.Node, source: Any, **rest: Any) -> None:
    """Channels become positions."""
    e.emit("DepthToSpace", node, [source])


@rule("pixel_unshuffle")
def pixel_unshuffle(e: Emitter, node: fx.Node, source: Any, **rest: Any) -> None:
    """Positions become channels."""
    e.emit("SpaceToDepth", node, [source])


# Writing into part of a tensor


@rule("slice_scatter")
def slice_scatter(
    e: Emitter, node: fx.Node, source: Any, src: Any, dim: int = 0, start: Any = None,
    end: Any = None, step: int = 1,
) -> None:  # fmt: skip
    """A slice overwritten: what is before it, the new values, what is behind it."""
    shape = e.shape(node)
    axis = dim % len(shape)
    first, last, _ = slice(start, end, step).indices(shape[axis])
    if step != 1:
        _scatter(e, node, source, src)
        return
    _between(e, node, source, src, axis, first, last)


@rule("select_scatter")
def select_scatter(e: Emitter, node: fx.Node, source: Any, src: Any, dim: int, index: int) -> None:
    """One entry along an axis overwritten."""
    shape = e.shape(node)
    axis = dim % len(shape)
    place = index % shape[axis]
    thin = tuple(1 if i == axis else n for i, n in enumerate(shape))
    if e.live(src):
        src = e.emit(
            "Reshape", node, [src], "row", thin, of=src,
            derive=lambda values: values.reshape(thin),
        )  # fmt: skip
        _between(e, node, source, src, axis, place, place + 1)
    else:
        _scatter(e, node, source, src)


def _between(
    e: Emitter, node: fx.Node, source: Any, src: Any, axis: int, first: int, last: int
) -> None:
    """The parts of `source` around `src` and this."""
    extent = e.shape(node)[axis]
    if (first, last) == (0, extent):
        e.same(node, src)
        return
    parts: list[Any] = []
    for low, high, part in ((0, first, "before"), (first, last, ""), (last, extent, "behind")):
        if low >= high:
            continue
        if not part:
            parts.append(src)
        elif e.live(source):
            shape = tuple(high - low if i == axis else n for i, n in enumerate(e.shape(node)))
            bounds = [np.array([n]) for n in (low, high, axis, 1)]
            named = [e.constant(b, f"{node.name}:{part}{i}") for i, b in enumerate(bounds)]
            parts.append(
                e.emit(
                    "Slice", node, [source, *named], part, shape,
                    of=source, derive=partial(_taken, low=low, high=high, axis=axis),
                )
            )  # fmt: skip
        else:
            values = e.array(source).take(range(low, high), axis)
            parts.append(e.joined(node, values, [source], part))
    e.emit("Concat", node, parts, axis=axis)


def _taken(values: Array, low: int, high: int, axis: int) -> Array:
    return values.take(range(low, high), axis)


@rule("scatter", "index_put", "index_copy", "masked_scatter", "scatter_add", "index_add",
      "scatter_reduce", "_unsafe_index_put", "index_fill")  # fmt: skip
def scatter(e: Emitter, node: fx.Node, source: Any, **given: Any) -> None:
    """Values put, or added, where the run puts them."""
    for word in ("index", "indices", "mask"):
        found = given.get(word)
        for one in found if isinstance(found, list | tuple) else [found]:
            e.keep(one)
    values = next(
        (given[word] for word in ("src", "values", "value", "source") if word in given), None
    )
    if values is None:
        values = given.get("source_1")
    name = str(node.target)
    adds = "add" in name or "reduce" in name or given.get("accumulate")
    _scatter(e, node, source, values, bool(adds))


def _scatter(e: Emitter, node: fx.Node, source: Any, values: Any, adds: bool = False) -> None:
    given = [one for one in (source, values) if e.live(one)]
    if not adds or not e.live(values):
        e.emit("Scatter", node, given)
        return
    inner = e.graph.shapes[e.name(values)]
    summed = e.emit("Neg", node, [values], "summed", inner, word="sum", derive=None)
    e.sources.pop(summed)  # the sums on the way have no tensor of their own
    if e.live(source):
        placed = e.emit("Scatter", node, [summed], "placed", e.shape(node))
        e.emit("Add", node, [placed, source])
    else:
        e.emit("Scatter", node, [summed])
