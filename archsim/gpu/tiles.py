"""How long the arithmetic of a kernel takes: its blocks in waves over the processors of a GPU.

A product is cut into tiles of its output; each processor computes one tile at a time, so that
processors stand idle in a last wave that is not full, and in tiles that reach over the edge
(NVIDIA, Matrix Multiplication Background User's Guide: tile and wave quantisation). A long sum may
be split over several processors (split-K), which costs a pass over the partial sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.model import BYTES, GPU
from archsim.gpu.phase import Number

TILES: Final = (
    (256, 128), (128, 256), (128, 128), (128, 64), (64, 128),
    (64, 64), (32, 64), (64, 32), (16, 64), (64, 16),
)  # fmt: skip
"""Rows and columns of the outputs that one block computes; those that libraries offer most."""
SPLITS: Final = (1, 2, 4, 8)
SHORTEST_SUM: Final = 256
"""Terms below which a sum isn't split further."""
_TALL, _WIDE, _SPLIT = (
    np.array(values, dtype=np.float64)[:, None]  # the second axis is that of launches
    for values in zip(*((*tile, split) for tile in TILES for split in SPLITS), strict=True)
)
PARTIAL_BYTES: Final = 4  # partial sums are fp32 or int32

WHOLE_ROWS: Final = 512
BLOCK_ROWS: Final = 128
"""A fused attention gives each head of a sequence of up to WHOLE_ROWS rows to one block, and of
longer ones each BLOCK_ROWS rows: TensorRT's fused kernels, and FlashAttention-2 (T. Dao, 2023)."""


@dataclass(frozen=True)
class Product:
    """`count` products of rows x inner by inner x columns.

    vector: whether it may also run outside the matrix units, as depthwise convolutions do.
    """

    rows: Number
    columns: Number
    inner: Number
    count: Number = 1
    vector: bool = False

    def seconds(self, gpu: GPU, precision: str) -> Number:
        """Time of the fastest tiling, all processors working together; numbers or arrays."""
        processors, cache = gpu.processors.count, gpu.cache.rate
        rate, port = gpu.arithmetic(precision).rate / processors, cache / processors
        blocks = np.ceil(np.divide(self.rows, _TALL)) * np.ceil(np.divide(self.columns, _WIDE))
        terms = np.ceil(np.divide(self.inner, _SPLIT))
        waves = np.ceil(blocks * self.count * _SPLIT / processors)
        step = np.maximum(2 * _TALL * _WIDE / rate, (_TALL + _WIDE) * BYTES[precision] / port)
        sums = self.count * np.multiply(self.rows, self.columns) * PARTIAL_BYTES
        added = np.where(_SPLIT > 1, 2 * _SPLIT * sums / cache, 0.0)  # written and read once more
        taken = waves * (terms * step + gpu.processors.tile) + added
        short = (_SPLIT > 1) & (terms < SHORTEST_SUM)
        least = np.where(short, np.inf, taken).min(axis=0)
        best: Number = float(least[0]) if least.size == 1 else least
        if self.vector:
            macs = self.count * np.multiply(self.rows, np.multiply(self.columns, self.inner))
            best = np.minimum(best, 2 * macs / gpu.vector_rate(precision))
        return best

    @property
    def vector_ops(self) -> float:
        """Operations beside those of the product that `seconds` contains."""
        return 0.0


@dataclass(frozen=True)
class Attention:
    """Both products of an attention with the softmax between, in one kernel.

    heads: those of all sequences; rows: of each; matrix, vector: operations of all together.
    """

    heads: Number
    rows: Number
    matrix: Number
    vector: Number

    def seconds(self, gpu: GPU, precision: str) -> Number:
        """Time of the waves of blocks. A single row is split over all processors by its keys."""
        processors = gpu.processors.count
        work = self.matrix / gpu.arithmetic(precision).rate + self.vector / gpu.vector_rate(
            precision
        )
        if float(np.max(self.rows)) <= 1:
            return work + gpu.processors.tile
        parts = np.where(
            np.asarray(self.rows) <= WHOLE_ROWS, 1.0, np.ceil(np.divide(self.rows, BLOCK_ROWS))
        )
        blocks: NDArray[np.float64] = self.heads * parts
        waves = np.ceil(blocks / processors)
        taken = waves * (work * processors / blocks + gpu.processors.tile)
        return taken if np.ndim(taken) else float(taken)

    @property
    def vector_ops(self) -> Number:
        """Operations beside those of the products that `seconds` contains."""
        return self.vector


Part = Product | Attention
