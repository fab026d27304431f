"""How an exporter turns recorded values into codes and their statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, get_args

import numpy as np
from numpy.typing import ArrayLike

from archsim.errors import InputError, nearest
from archsim.trace.encoding import Encoding
from archsim.trace.scaling import Blocks, Scheme
from archsim.trace.stats import TensorStats, collect

PER_TENSOR: Scheme = "per_tensor_symmetric"


@dataclass(frozen=True)
class Quantiser:
    """Code widths of weights and activations, and how values become codes.

    scheme: of the activations; weights take it too where it makes sense for them (per tensor or per
    column), else one scale for the tensor, as activations do for `per_column_symmetric`.
    weight_scheme: of the weights, if it is another. encoding: of both; clip: percentile of the
    magnitudes of an activation beyond which values saturate (weights are not clipped).
    """

    weight_bits: int = 8
    input_bits: int = 8
    scheme: Scheme = PER_TENSOR
    encoding: Encoding = "twos_complement"
    clip: float | None = None
    weight_scheme: Scheme | None = None

    @classmethod
    def from_options(
        cls,
        *,
        bits: int = 8,
        weight_bits: int | None = None,
        input_bits: int | None = None,
        scheme: str = PER_TENSOR,
        encoding: str = "twos_complement",
        clip: float | None = None,
        weight_scheme: str | None = None,
    ) -> Self:
        """A quantiser from options as a user gives them; InputError for one that makes no sense."""
        widths = [bits if width is None else width for width in (weight_bits, input_bits)]
        for word, width in zip(("weights", "inputs"), widths, strict=True):
            if not 2 <= width <= 32:
                raise InputError(f"codes of {width} bits for the {word}.", fix="Give 2 to 32 bits.")
        for word, value, kind in (
            ("quantisation scheme", scheme, Scheme),
            ("quantisation scheme of weights", weight_scheme, Scheme),
            ("number encoding", encoding, Encoding),
        ):
            if value is not None and value not in get_args(kind):
                raise InputError(f"unknown {word} '{value}'.", fix=nearest(value, get_args(kind)))
        if clip is not None and not 0 < clip <= 100:
            raise InputError(
                f"a clipping percentile of {clip:g}.", fix="Give more than 0 and at most 100, in %."
            )
        if "affine" in (scheme, weight_scheme) and encoding == "sign_magnitude":
            raise InputError(
                "affine codes have no sign, so they cannot be in sign_magnitude.",
                fix="Use offset or twos_complement.",
            )
        return cls(widths[0], widths[1], scheme, encoding, clip, weight_scheme)  # type: ignore[arg-type]

    def weights(self, matrix: ArrayLike) -> TensorStats:
        """Statistics of a weight matrix (rows, columns): one row per input, a column per output.

        Of a convolution the im2col matrix. Raises ValueError for NaN or infinite values.
        """
        array = np.asarray(matrix)
        return self.stream_weights(lambda: [array])

    def activations(self, values: ArrayLike) -> TensorStats:
        """Statistics of activations (positions, channels); ValueError for NaN or infinities."""
        array = np.asarray(values)
        return self.stream_activations(lambda: [array])

    def stream_weights(self, blocks: Blocks) -> TensorStats:
        """As `weights`, of a matrix larger than memory; blocks() yields its row blocks in turn."""
        scheme = self.weight_scheme
        if scheme is None:
            scheme = self.scheme if self.scheme == "per_column_symmetric" else PER_TENSOR
        return collect(blocks, self.weight_bits, scheme, self.encoding, columns=True)

    def stream_activations(self, blocks: Blocks) -> TensorStats:
        """As `activations`, of values larger than memory; blocks() yields row blocks in turn."""
        scheme = PER_TENSOR if self.scheme == "per_column_symmetric" else self.scheme
        return collect(blocks, self.input_bits, scheme, self.encoding, self.clip)
