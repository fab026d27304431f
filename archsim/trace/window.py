"""Which input positions an output position needs, in raster order.

A tensor is a sequence of *positions* (tokens, or pixels in raster order), each a vector of
channels. Pipelining hangs on one question: up to which input position must the producer have come
before output position n can be computed, and from which one on are inputs still needed?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Reach:
    """The span of input positions behind each output position.

    first, last: int64 arrays of shape (positions_out,), both non-decreasing. Output position n
    needs inputs up to last[n]; no output position from n on needs an input before first[n].
    last[n] == -1 means that n needs no input at all.
    """

    first: Positions
    last: Positions


def monotone(first: Positions, last: Positions) -> Reach:
    """Make spans monotone: inputs arrive in order, and are dropped in order."""
    return Reach(
        first=np.minimum.accumulate(first[::-1])[::-1].astype(np.int64),
        last=np.maximum.accumulate(last).astype(np.int64),
    )


def one_to_one(positions: int) -> Reach:
    """Output position n needs input position n alone."""
    index = np.arange(positions, dtype=np.int64)
    return Reach(first=index, last=index)


def everything(positions_in: int, positions_out: int) -> Reach:
    """Every output position needs the whole input."""
    return Reach(
        first=np.zeros(positions_out, np.int64),
        last=np.full(positions_out, positions_in - 1, np.int64),
    )


def causal(positions_in: int, positions_out: int) -> Reach:
    """Output position n needs inputs 0..n plus those that were there before (a KV cache)."""
    index = np.arange(positions_out, dtype=np.int64)
    last = np.minimum(index + max(positions_in - positions_out, 0), positions_in - 1)
    return Reach(first=np.zeros(positions_out, np.int64), last=last)


def sliding_window(
    size_in: tuple[int, int],
    size_out: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> Reach:
    """A convolution or pooling window over a raster scan.

    size_in, size_out: (height, width) in positions; padding: (top, left).
    """

    def span(axis: int) -> tuple[Positions, Positions]:
        start = np.arange(size_out[axis], dtype=np.int64) * stride[axis] - padding[axis]
        skipped = -(-np.maximum(-start, 0) // dilation[axis])  # taps before the map
        taps = np.minimum(kernel[axis] - 1, (size_in[axis] - 1 - start) // dilation[axis])
        return start + skipped * dilation[axis], start + taps * dilation[axis]

    (top, bottom), (left, right) = span(0), span(1)
    width = size_in[1]
    in_padding = (top > bottom)[:, None] | (left > right)[None, :]
    end = size_in[0] * width - 1
    first = np.where(in_padding, end, top[:, None] * width + left[None, :])
    last = np.where(in_padding, -1, bottom[:, None] * width + right[None, :])
    return monotone(first.ravel(), last.ravel())
