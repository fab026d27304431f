"""Number encodings: the bits that an integer code shows, and how often each of them is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Encoding = Literal["twos_complement", "sign_magnitude", "offset"]
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
CHUNK = 16  # bits counted at once: 65,536 counters stay in the cache


def lowest_code(bits: int) -> int:
    """The code of the first bin of a histogram: -2^(bits-1)."""
    return -(1 << (bits - 1))


def pattern(codes: Codes, bits: int, encoding: Encoding) -> Codes:
    """The bit pattern of signed codes as an unsigned number of `bits` bits.

    twos_complement: code modulo 2^bits; offset: code + 2^(bits-1); sign_magnitude: the magnitude in
    the low bits - 1 planes and the sign (1: negative) in the top one, where -2^(bits-1) does not
    exist and shows as the largest magnitude.
    """
    if encoding == "twos_complement":
        return codes & ((1 << bits) - 1)
    if encoding == "offset":
        return codes - lowest_code(bits)
    top = 1 << (bits - 1)
    sign: Codes = np.where(codes < 0, top, 0)
    return np.minimum(np.abs(codes), top - 1) + sign


def bit_of(patterns: Codes, bits: int) -> Floats:
    """0 or 1 for each bit of each pattern: shape (*patterns, bits), least significant first."""
    return ((patterns[..., None] >> np.arange(bits)) & 1).astype(np.float64)


def count_ones(patterns: Codes, bits: int) -> NDArray[np.int64]:
    """Ones in each bit plane of many patterns, least significant first."""
    flat = patterns.ravel()
    counts = []
    for first in range(0, bits, CHUNK):
        width = min(CHUNK, bits - first)
        seen = np.bincount((flat >> first) & ((1 << width) - 1), minlength=1 << width)
        counts.append(seen @ (np.arange(1 << width)[:, None] >> np.arange(width) & 1))
    return np.concatenate(counts).astype(np.int64)


def code_shares(histogram: Sequence[int], bits: int) -> tuple[Codes, Floats]:
    """Every code of up to 8 bits and its share of the samples, from a histogram of 256 bins.

    Raises ValueError above 8 bits, where a bin holds several codes.
    """
    if bits > 8:
        raise ValueError(f"the 256 bins do not tell codes of {bits} bits apart")
    counts = np.asarray(histogram[: 1 << bits], dtype=np.float64)
    return lowest_code(bits) + np.arange(1 << bits), counts / counts.sum()


def one_density(histogram: Sequence[int], bits: int, encoding: Encoding) -> list[float]:
    """Share of ones in each bit plane of any encoding, least significant first, up to 8 bits."""
    codes, _ = code_shares(histogram, bits)
    counts = np.asarray(histogram[: 1 << bits], dtype=np.int64)
    ones = counts @ ((pattern(codes, bits, encoding)[:, None] >> np.arange(bits)) & 1)
    return [int(n) / int(counts.sum()) for n in ones]
