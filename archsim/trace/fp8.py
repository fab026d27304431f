"""Statistics of a tensor in the two 8-bit floating-point formats, for digital FP8 macros.

Formats as in Micikevicius et al., FP8 Formats for Deep Learning, arXiv:2209.05433, Table 1: E4M3
has bias 7, no infinity and 448 as its largest value; E5M2 has bias 15 and 57,344.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from archsim.schema import Model
from archsim.schema.ranges import Scale, Share, Total


class Format(NamedTuple):
    """An 8-bit float of `exponent` and `mantissa` bits; largest: its largest finite code."""

    exponent: int
    mantissa: int
    bias: int
    largest: int

    @property
    def maximum(self) -> float:
        """The largest finite value."""
        exponent, mantissa = divmod(self.largest, 1 << self.mantissa)
        return float(2.0 ** (exponent - self.bias) * (1 + mantissa / (1 << self.mantissa)))


FORMATS = {"e4m3": Format(4, 3, 7, 0x7E), "e5m2": Format(5, 2, 15, 0x7B)}


class FormatStats(Model):
    """Values of a tensor in one format, with the tensor's largest magnitude at the format's.

    mantissa_one_density is over all values, least significant bit first; a subnormal has exponent
    field 0, and so has zero. The sign is not counted.
    """

    scale: Annotated[Scale, Field(description="real value of 1.0")]
    exponent_histogram: Annotated[list[Total], Field(description="counts of each exponent field")]
    mantissa_one_density: list[Share]
    zero_share: Share
    subnormal_share: Share


class Fp8Stats(Model):
    """Statistics of a tensor in both formats."""

    e4m3: FormatStats
    e5m2: FormatStats


def encode(values: NDArray[Any], form: Format) -> NDArray[np.int64]:
    """Codes 0 to 127 of the magnitudes of finite values, rounded to nearest even, saturated."""
    magnitude = np.abs(values).astype(np.float32)
    drop = 23 - form.mantissa
    word = magnitude.view(np.uint32)
    rounded = word + np.uint32((1 << (drop - 1)) - 1) + ((word >> np.uint32(drop)) & np.uint32(1))
    normal = (rounded >> np.uint32(drop)).astype(np.int64) - ((127 - form.bias) << form.mantissa)
    step = 2.0 ** (1 - form.bias - form.mantissa)  # between subnormals
    tiny = magnitude < np.float32(2.0 ** (1 - form.bias))
    codes = np.where(tiny, np.rint(np.where(tiny, magnitude, 0) / step).astype(np.int64), normal)
    return np.minimum(codes, form.largest)


@dataclass
class Fp8Counter:
    """Counts codes block by block; peak: the largest magnitude of the whole tensor."""

    peak: float
    counts: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def scale(self, form: Format) -> float:
        """Real value of 1.0: the peak over the largest value (1 for a tensor of zeros)."""
        tiny = float(np.finfo(np.float64).tiny)
        return max(self.peak / form.maximum, tiny) if self.peak > 0 else 1.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Count the values of one block."""
        for name, form in FORMATS.items():
            codes = encode(values.ravel() / self.scale(form), form)
            seen = np.bincount(codes, minlength=128)
            self.counts[name] = self.counts.get(name, 0) + seen

    def stats(self) -> Fp8Stats:
        """What was counted."""
        found = {}
        for name, form in FORMATS.items():
            counts, total = self.counts[name], int(self.counts[name].sum())
            steps = 1 << form.mantissa
            by_exponent = counts.reshape(-1, steps)
            bits = (np.arange(steps)[:, None] >> np.arange(form.mantissa)) & 1
            ones = by_exponent.sum(axis=0) @ bits
            found[name] = FormatStats(
                scale=self.scale(form),
                exponent_histogram=by_exponent.sum(axis=1).tolist(),
                mantissa_one_density=[round(n / total, 6) for n in ones.tolist()],
                zero_share=round(int(counts[0]) / total, 6),
                subnormal_share=round(int(by_exponent[0, 1:].sum()) / total, 6),
            )
        return Fp8Stats(**found)
