"""Torch functions that move data: the ONNX node of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from archsim.trace.pytorch.functions import function
from archsim.trace.pytorch.recorder import Recorder

SHAPES = ("reshape", "view", "flatten", "squeeze", "unsqueeze", "unflatten", "view_as", "ravel")


@function(*SHAPES)
def reshape(r: Recorder, out: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> None:
    """Anything that regroups axes: the shape of the result says all."""
    r.emit("Reshape", [source], out)


@function("expand", "expand_as", "broadcast_to")
def expand(r: Recorder, out: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> None:
    """Repeated values."""
    r.emit("Expand", [source], out)


@function("permute")
def permute(r: Recorder, out: Tensor, source: Tensor, *args: Any, dims: Any = None) -> None:
    """Axes in another order."""
    order = dims or (args[0] if len(args) == 1 and not isinstance(args[0], int) else args)
    _transpose(r, out, source, list(order))


@function("transpose", "swapaxes", "swapdims")
def transpose(r: Recorder, out: Tensor, source: Tensor, dim0: int, dim1: int) -> None:
    """Two axes exchanged."""
    order = list(range(source.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    _transpose(r, out, source, order)


@function("t", "T", "mT")
def turn(r: Recorder, out: Tensor, source: Tensor, *owner: Any) -> None:
    """A matrix transposed."""
    order = list(range(source.ndim))
    _transpose(r, out, source, [*order[:-2], *order[-2:][::-1]])


def _transpose(r: Recorder, out: Tensor, source: Tensor, order: list[int]) -> None:
    r.emit("Transpose", [source], out, perm=[axis % source.ndim for axis in order])


@function("cat", "concat", "concatenate")
def concat(r: Recorder, out: Tensor, tensors: Sequence[Tensor], dim: int = 0, **k: Any) -> None:
    """Side by side along one axis."""
    r.emit("Concat", list(tensors), out, axis=k.get("axis", dim) % out.ndim)


@function("chunk", "split", "tensor_split", "split_with_sizes")
def split(r: Recorder, out: Sequence[Tensor], source: Tensor, *args: Any, **kwargs: Any) -> None:
    """Parts along one axis."""
    axis = next((i for i in range(source.ndim) if out[0].shape[i] != source.shape[i]), 0)
    r.emit("Split", [source], out, axis=axis)


@function("narrow")
def narrow(r: Recorder, out: Tensor, source: Tensor, dim: int, start: int, length: int) -> None:
    """Consecutive entries along one axis."""
    first = start % source.shape[dim] if start < 0 else start
    bounds = [torch.tensor([n]) for n in (first, first + length, dim % source.ndim, 1)]
    r.emit("Slice", [source, *bounds], out)


@function("index_select")
def index_select(r: Recorder, out: Tensor, source: Tensor, dim: int, index: Tensor) -> None:
    """Chosen entries along one axis."""
    r.emit("Gather", [source, index], out, axis=dim % source.ndim)


@function("pad")
def pad(r: Recorder, out: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> None:
    """Constant or repeated values around a tensor."""
    r.emit("Pad", [source], out)


@function("interpolate", "upsample")
def interpolate(r: Recorder, out: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> None:
    """Another size of a map."""
    r.emit("Resize", [source], out)
