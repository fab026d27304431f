"""Value statistics of a tensor: what value-dependent energy needs to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Field, field_serializer, model_validator

from archsim.schema import Model
from archsim.schema.ranges import BitWidth, Integer, Real, Scale, Share, Total
from archsim.trace.columns import WIDEST, ColumnCounter, ColumnStats
from archsim.trace.encoding import Codes, Encoding, count_ones, lowest_code, pattern
from archsim.trace.fp8 import Fp8Counter, Fp8Stats
from archsim.trace.scaling import (
    TINY,
    Blocks,
    Range,
    Scheme,
    as_rows,
    find_range,
    fit,
    top_code,
)

HISTOGRAM_BINS = 256
LONGEST_GAP = 3  # zeros that cost no more than the start of a new run
Run = tuple[int, list[int]]  # the first bin and the counts from there on


def _all_bins(value: Any) -> Any:
    """A histogram given as runs, as 256 counts; anything else is left for the field to judge."""
    if not isinstance(value, list) or not value or isinstance(value[0], int):
        return value
    counts = [0] * HISTOGRAM_BINS
    for run in value:
        match run:
            case [int(first), [*found]] if 0 <= first <= HISTOGRAM_BINS - len(found):
                counts[first : first + len(found)] = found
            case _:
                raise ValueError(
                    f"a run is [first bin, [counts]] within {HISTOGRAM_BINS} bins, not {run!r}"
                )
    return counts


def _runs(counts: Sequence[int]) -> list[Run]:
    """The stretches of a histogram that are not empty."""
    runs: list[Run] = []
    for i, count in enumerate(counts):
        if not count:
            continue
        end = runs[-1][0] + len(runs[-1][1]) if runs else 0
        if runs and i - end <= LONGEST_GAP:
            runs[-1][1].extend([0] * (i - end) + [count])
        else:
            runs.append((i, [count]))
    return runs


Percentile = Annotated[float, Field(ge=1e-9, le=100)]


class TensorStats(Model):
    """Statistics of one tensor after uniform quantisation to integer codes.

    Real values are scale * (code - zero_point). `histogram` counts codes from the lowest to the
    highest representable one in 256 equal bins (one bin per code up to 8 bits, from the left). In
    files it may be a list of runs, [first bin, [counts]], where all other bins are empty.
    """

    bits: Annotated[BitWidth, Field(description="code width in bits")]
    scheme: Scheme = "per_tensor_symmetric"
    encoding: Encoding = "twos_complement"
    scale: Annotated[
        Scale, Field(description="real value of one code; the largest if there are several")
    ]
    zero_point: Annotated[Integer, Field(description="code of the value 0")] = 0
    clip: Annotated[Percentile | None, Field(description="percentile of magnitudes kept, in %")] = (
        None
    )
    clipped_share: Annotated[Share, Field(description="share of values beyond it")] = 0.0
    minimum: Real
    maximum: Real
    samples: Annotated[Total, Field(ge=1, description="elements counted")]
    histogram: Annotated[
        list[Total],
        Field(min_length=HISTOGRAM_BINS, max_length=HISTOGRAM_BINS),
        BeforeValidator(_all_bins, json_schema_input_type=list[int] | list[Run]),
    ]
    zero_share: Annotated[Share, Field(description="share of elements that are 0")]
    one_density: Annotated[
        list[Share],
        Field(description="share of one-bits in each bit plane, least significant first"),
    ]
    columns: Annotated[ColumnStats | None, Field(description="of weights, by column")] = None
    fp8: Annotated[Fp8Stats | None, Field(description="as 8-bit floats")] = None

    @field_serializer("histogram", when_used="json")
    def _short(self, counts: list[int]) -> list[int] | list[Run]:
        runs = _runs(counts)
        written = sum(2 + len(found) for _, found in runs)
        return runs if written < HISTOGRAM_BINS else counts

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.zero_point and self.scheme != "affine":
            raise ValueError(f"zero_point is {self.zero_point}, but only affine codes have one")
        if self.columns is not None and self.columns.bits != self.bits:
            raise ValueError(f"columns have {self.columns.bits} planes, the codes {self.bits} bits")
        return self


def quantise(values: ArrayLike, bits: int) -> tuple[NDArray[np.int64], float]:
    """Symmetric per-tensor quantisation: codes in [-(2^(b-1)-1), 2^(b-1)-1] and the scale.

    Raises ValueError for NaN or infinite values.
    """
    array = np.asarray(values, dtype=np.float64)
    as_rows(array)
    peak = float(np.abs(array).max(initial=0.0))
    scale = max(peak / top_code(bits), TINY) if peak > 0 else 1.0  # never subnormal
    return np.rint(array / scale).astype(np.int64), scale


def tensor_stats(values: ArrayLike, bits: int = 8) -> TensorStats:
    """Statistics of `values` (any shape) in two's complement at one scale."""
    array = np.asarray(values)
    return collect(lambda: [array], bits)


def collect(
    blocks: Blocks,
    bits: int,
    scheme: Scheme = "per_tensor_symmetric",
    encoding: Encoding = "twos_complement",
    clip: float | None = None,
    *,
    columns: bool = False,
) -> TensorStats:
    """Statistics of a matrix that comes in row blocks, whole rows in each.

    blocks: gives the blocks anew for each of two passes, range and counts, and for a third one
    between them if values are clipped; columns: weights, of which each column counts by itself (up
    to 16 bits). The result does not depend on how the rows are cut. Raises ValueError for no
    values, NaN or infinities (with their number), and affine codes in sign-magnitude.
    """
    if scheme == "affine" and encoding == "sign_magnitude":
        raise ValueError("affine codes have no sign: use twos_complement or offset")
    scaling, extent = fit(blocks, bits, scheme, clip)
    counter = _Counter(extent, bits, encoding, columns)
    for block in blocks():
        rows = as_rows(block)
        if rows.size:
            counter.add(rows, scaling.codes(rows), scaling.zero_point, scaling.limit)
    return counter.stats(scheme, scaling.scale, scaling.zero_point, clip)


def code_stats(
    codes: ArrayLike,
    bits: int,
    scale: ArrayLike,
    zero_point: int = 0,
    encoding: Encoding = "twos_complement",
    *,
    columns: bool = False,
) -> TensorStats:
    """Statistics of a matrix that a quantised model has as integer codes already.

    codes: signed, real value = scale * (code - zero_point); scale: one number, or one per column.
    Raises ValueError for codes that do not fit `bits`, no codes, a zero point in sign-magnitude.
    """
    if zero_point and encoding == "sign_magnitude":
        raise ValueError("affine codes have no sign: use twos_complement or offset")
    found = np.asarray(codes, dtype=np.int64)
    found = found.reshape(-1, found.shape[-1]) if found.ndim else found.reshape(1, 1)
    scales = np.asarray(scale, dtype=np.float64)
    low = lowest_code(bits)
    if found.size and (found.min() < low or found.max() >= -low):
        raise ValueError(f"codes of {bits} bits are {low} to {-low - 1}")
    rows = (found - zero_point) * scales
    scheme: Scheme = "per_column_symmetric" if scales.size > 1 else "per_tensor_symmetric"
    counter = _Counter(find_range(lambda: [rows]), bits, encoding, columns)
    counter.add(rows, found, zero_point, np.inf)
    return counter.stats("affine" if zero_point else scheme, float(scales.max()), zero_point, None)


class _Counter:
    """Counts of a tensor, added up block by block."""

    def __init__(self, extent: Range, bits: int, encoding: Encoding, columns: bool) -> None:
        self.extent, self.bits, self.encoding = extent, bits, encoding
        self.histogram = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
        self.ones = np.zeros(bits, dtype=np.int64)
        self.zeros = self.clipped = 0
        width = len(extent.column_peaks)
        self.columns = ColumnCounter(width, bits) if columns and bits <= WIDEST else None
        self.fp8 = Fp8Counter(extent.peak)

    def add(self, rows: NDArray[np.float64], codes: Codes, zero_point: int, limit: float) -> None:
        """Count a block: values and their codes, both (rows, columns)."""
        bins = codes - lowest_code(self.bits) >> max(self.bits - 8, 0)
        self.histogram += np.bincount(bins.ravel(), minlength=HISTOGRAM_BINS)
        self.ones += count_ones(pattern(codes, self.bits, self.encoding), self.bits)
        self.zeros += int((codes == zero_point).sum())
        self.clipped += int((np.abs(rows) > limit).sum())
        self.fp8.add(rows)
        if self.columns is not None:
            self.columns.add(codes)

    def stats(
        self, scheme: Scheme, scale: float, zero_point: int, clip: float | None
    ) -> TensorStats:
        """What was counted."""
        samples = int(self.histogram.sum())
        return TensorStats(
            bits=self.bits,
            scheme=scheme,
            encoding=self.encoding,
            scale=scale,
            zero_point=zero_point,
            clip=clip,
            clipped_share=round(self.clipped / samples, 6),
            minimum=self.extent.minimum,
            maximum=self.extent.maximum,
            samples=samples,
            histogram=self.histogram.tolist(),
            zero_share=round(self.zeros / samples, 6),
            one_density=[round(n / samples, 6) for n in self.ones.tolist()],
            columns=None if self.columns is None else self.columns.stats(),
            fp8=self.fp8.stats(),
        )
