"""Quantisation schemes: which real value each integer code stands for, found in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.trace.encoding import Codes, lowest_code

Scheme = Literal["per_tensor_symmetric", "per_token_symmetric", "per_column_symmetric", "affine"]
Values = NDArray[np.float64]
Blocks = Callable[[], Iterable[NDArray[Any]]]  # row blocks of a matrix, anew for every pass
TINY = float(np.finfo(np.float64).tiny)
KEY_BITS = 40  # of a double's 52 mantissa bits, dropped when magnitudes are sorted into bins


def top_code(bits: int) -> int:
    """The largest code of a symmetric scheme."""
    return (1 << (bits - 1)) - 1


def as_rows(block: NDArray[Any]) -> Values:
    """A block as (rows, columns) of doubles; ValueError with the count of NaN and infinities."""
    rows = np.asarray(block, dtype=np.float64)
    if not np.isfinite(rows).all():
        bad = int(rows.size - np.isfinite(rows).sum())
        raise ValueError(f"the tensor has {bad:,} NaN or infinite values")
    width = rows.shape[-1] if rows.ndim else 1
    return rows.reshape(rows.size // width if width else 0, width)


@dataclass(frozen=True)
class Scaling:
    """How values become codes; limit: magnitude above which they are clipped."""

    bits: int
    scheme: Scheme
    scale: float
    zero_point: int = 0
    limit: float = np.inf
    column_scales: Values | None = None

    def codes(self, rows: Values) -> Codes:
        """Codes of a block of rows (rows, columns)."""
        if self.scheme == "affine":
            low = lowest_code(self.bits)
            return self._rounded(rows / self.scale + self.zero_point, low, -low - 1)
        scales: float | Values = self.scale
        if self.column_scales is not None:
            scales = self.column_scales
        if self.scheme == "per_token_symmetric":
            peaks = np.abs(rows).max(axis=1, keepdims=True, initial=0)
            scales = step(np.minimum(peaks, self.limit), self.bits)
        top = top_code(self.bits)
        return self._rounded(rows / scales, -top, top)

    @staticmethod
    def _rounded(steps: Values, low: int, high: int) -> Codes:
        return np.clip(np.rint(steps), low, high).astype(np.int64)


def step(peaks: ArrayLike, bits: int) -> Values:
    """The scale with which a peak gets the largest code; 1 for a peak of 0, never subnormal."""
    found = np.asarray(peaks, dtype=np.float64)
    scales: Values = np.where(found > 0, np.maximum(found / top_code(bits), TINY), 1.0)
    return scales


@dataclass(frozen=True)
class Range:
    """Extremes of a tensor and the peak magnitude of each column."""

    minimum: float
    maximum: float
    column_peaks: Values

    @property
    def peak(self) -> float:
        return max(-self.minimum, self.maximum)


def find_range(blocks: Blocks) -> Range:
    """The first pass. Raises ValueError for no values, NaN or infinities, unequal widths."""
    low, high, bad = np.inf, -np.inf, 0
    peaks: Values | None = None
    for block in blocks():
        try:
            rows = as_rows(block)
        except ValueError:  # go on, to tell how many there are in all
            bad += int(np.size(block) - np.isfinite(np.asarray(block, dtype=np.float64)).sum())
            continue
        if not rows.size:
            continue
        least, most = rows.min(axis=0), rows.max(axis=0)
        found = np.maximum(-least, most)
        if peaks is not None and peaks.shape != found.shape:
            raise ValueError(f"a block has {found.size} columns, the one before {peaks.size}")
        peaks = found if peaks is None else np.maximum(peaks, found)
        low, high = min(low, float(least.min())), max(high, float(most.max()))
    if bad:
        raise ValueError(f"the tensor has {bad:,} NaN or infinite values")
    if peaks is None:
        raise ValueError("the tensor has no values")
    return Range(low, high, peaks)


def magnitude_percentile(blocks: Blocks, percent: float) -> float:
    """The magnitude that `percent` % of the values do not exceed, to one part in 4,096.

    Magnitudes are sorted into bins by exponent and the 12 highest mantissa bits of their doubles,
    so that the tensor need not be in memory; the upper edge of a bin stands for it.
    """
    counts: dict[int, int] = {}
    for block in blocks():
        keys = np.abs(as_rows(block)).ravel().view(np.int64) >> KEY_BITS
        for key, number in zip(*np.unique(keys, return_counts=True), strict=True):
            counts[int(key)] = counts.get(int(key), 0) + int(number)
    ordered = sorted(counts)
    reached = np.cumsum([counts[key] for key in ordered])
    index = int(np.searchsorted(reached, percent / 100 * reached[-1]))
    edge = (ordered[min(index, len(ordered) - 1)] + 1 << KEY_BITS) - 1
    return float(np.array(edge, dtype=np.int64).view(np.float64))


def fit(blocks: Blocks, bits: int, scheme: Scheme, clip: float | None) -> tuple[Scaling, Range]:
    """The scaling of a tensor and its range.

    clip: percentile of the magnitudes beyond which values saturate; the range of every token or
    column ends there too. affine maps [min(minimum, 0), max(maximum, 0)] onto all 2^bits codes, as
    in Jacob et al., CVPR 2018, section 2.1, with codes shifted to be signed.
    """
    if bits < 2 and scheme != "affine":
        raise ValueError("symmetric codes have 2 bits or more: one is the sign")
    extent = find_range(blocks)
    limit = np.inf if clip is None else magnitude_percentile(blocks, clip)
    peak = min(extent.peak, limit)
    if scheme == "affine":
        low, high = max(min(extent.minimum, 0.0), -limit), min(max(extent.maximum, 0.0), limit)
        scale = max((high - low) / ((1 << bits) - 1), TINY) if high > low else 1.0
        zero_point = lowest_code(bits) - round(low / scale)
        return Scaling(bits, scheme, scale, zero_point, limit), extent
    scale = float(step(peak, bits))
    if scheme == "per_column_symmetric":
        scales = step(np.minimum(extent.column_peaks, limit), bits)
        return Scaling(bits, scheme, scale, 0, limit, scales), extent
    return Scaling(bits, scheme, scale, 0, limit), extent
