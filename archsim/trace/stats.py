"""Value statistics of a tensor: what value-dependent energy needs to know of it."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from archsim.schema import Model

Share = Annotated[float, Field(ge=0, le=1)]
HISTOGRAM_BINS = 256


class TensorStats(Model):
    """Statistics of one tensor after uniform quantisation to integer codes.

    Real values are scale * code. `histogram` counts codes from the lowest to the highest
    representable one in 256 equal bins (one bin per code for 8 bits).
    """

    bits: Annotated[int, Field(ge=1, le=32, description="code width in bits")]
    scheme: Literal["per_tensor_symmetric"] = "per_tensor_symmetric"
    encoding: Literal["twos_complement"] = "twos_complement"
    scale: Annotated[float, Field(gt=0, description="real value of code 1")]
    minimum: float
    maximum: float
    samples: Annotated[int, Field(ge=1, description="elements counted")]
    histogram: Annotated[list[int], Field(min_length=HISTOGRAM_BINS, max_length=HISTOGRAM_BINS)]
    zero_share: Share
    one_density: Annotated[
        list[Share],
        Field(description="share of one-bits in each bit plane, least significant first"),
    ]


def quantise(values: ArrayLike, bits: int) -> tuple[NDArray[np.int64], float]:
    """Symmetric per-tensor quantisation: codes in [-(2^(b-1)-1), 2^(b-1)-1] and the scale.

    Raises ValueError for NaN or infinite values.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("the tensor has NaN or infinite values")
    top = (1 << (bits - 1)) - 1 if bits > 1 else 1
    peak = float(np.abs(array).max(initial=0.0))
    scale = max(peak / top, np.finfo(np.float64).tiny) if peak > 0 else 1.0  # never subnormal
    return np.rint(array / scale).astype(np.int64), scale


def tensor_stats(values: ArrayLike, bits: int = 8) -> TensorStats:
    """Quantise `values` (any shape) and count its codes, zeros and one-bits."""
    codes, scale = quantise(values, bits)
    flat = codes.ravel()
    array = np.asarray(values, dtype=np.float64)
    low = -(1 << (bits - 1))
    bins = np.minimum((flat - low) * HISTOGRAM_BINS >> bits, HISTOGRAM_BINS - 1)
    if bits < 8:  # fewer codes than bins: one bin per code from the left
        bins = flat - low
    raw = flat & ((1 << bits) - 1)  # two's complement bit pattern
    return TensorStats(
        bits=bits,
        scale=scale,
        minimum=float(array.min()),
        maximum=float(array.max()),
        samples=int(flat.size),
        histogram=np.bincount(bins, minlength=HISTOGRAM_BINS).tolist(),
        zero_share=round(float((flat == 0).mean()), 6),
        one_density=[round(float(((raw >> b) & 1).mean()), 6) for b in range(bits)],
    )
