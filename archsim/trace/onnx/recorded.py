"""Statistics of tensors that are integer codes in the file, with their own scales."""

from __future__ import annotations

import numpy as np

from archsim.trace.encoding import Encoding, lowest_code
from archsim.trace.onnx.graph import Array
from archsim.trace.stats import TensorStats, code_stats


def recorded_stats(
    codes: Array,
    scale: Array,
    zero: int,
    bits: int,
    signed: bool,
    encoding: Encoding,
    *,
    columns: bool = False,
) -> TensorStats:
    """`code_stats` of codes as a file has them, shape (rows, columns), signed or not.

    Unsigned codes are shifted by 2^(bits-1), and their zero point with them, as affine codes in a
    trace are signed. Raises ValueError as `code_stats` does.
    """
    shift = 0 if signed else lowest_code(bits)
    signed_codes = codes.astype(np.int64) + shift
    return code_stats(signed_codes, bits, scale, zero + shift, encoding, columns=columns)
