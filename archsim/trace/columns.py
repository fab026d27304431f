"""Weight statistics column by column, from which the conductance of every array column follows.

A cell stores a slice of a weight's bits, so the mean level of the cells of an array column is
linear in the one-density of the bit planes in its slice. Two mappings are counted: offset, which
stores code + 2^(bits-1) (ISAAC, ISCA 2016, section V), and differential, which stores the magnitude
of positive codes in one column and that of negative codes in another (PRIME, ISCA 2016).
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from archsim.schema import Model
from archsim.schema.ranges import Size
from archsim.trace.encoding import Codes, Floats, bit_of, lowest_code

MOST_ENTRIES = 16  # more columns share entries, so that a trace stays small
WIDEST = 16  # bits of a code that are counted by column
MILLE = 1000
Planes = list[list[Annotated[int, Field(ge=0, le=MILLE)]]]


class ColumnStats(Model):
    """Density of ones in each bit plane of a weight matrix, for runs of neighbouring columns.

    Entry i stands for output columns i * width to (i + 1) * width - 1 (the last may have fewer);
    densities are in thousandths, least significant plane first.
    """

    count: Annotated[Size, Field(description="output columns of the matrix")]
    width: Annotated[Size, Field(description="columns that share an entry")]
    offset: Annotated[Planes, Field(description="planes of code + 2^(bits-1)")]
    positive: Annotated[Planes, Field(description="planes of the magnitude of positive codes")]
    negative: Annotated[Planes, Field(description="planes of the magnitude of negative codes")]

    @model_validator(mode="after")
    def _entries(self) -> Self:
        entries = -(-self.count // self.width)
        for name in ("offset", "positive", "negative"):
            planes: Planes = getattr(self, name)
            if len(planes) != entries:
                raise ValueError(
                    f"{name} has {len(planes)} entries; {self.count} columns by {self.width} are "
                    f"{entries}"
                )
        if len({len(row) for row in (*self.offset, *self.positive, *self.negative)}) != 1:
            raise ValueError("every entry has as many planes as the codes have bits")
        return self

    @property
    def bits(self) -> int:
        """Width of the codes."""
        return len(self.offset[0])

    def densities(self, mapping: str) -> list[Floats]:
        """Shares (entries, bits) of ones: [offset] or, differential, [positive, negative]."""
        names = ("offset",) if mapping == "offset" else ("positive", "negative")
        return [np.array(getattr(self, name), dtype=np.float64) / MILLE for name in names]

    def sizes(self) -> NDArray[np.int64]:
        """Columns that each entry stands for."""
        starts = np.arange(0, self.count, self.width)
        return np.minimum(self.width, self.count - starts)


def stored(codes: Codes, bits: int, mapping: str) -> list[Codes]:
    """What the cells of a weight hold, as unsigned numbers: [offset] or [positive, negative]."""
    if mapping == "offset":
        return [codes - lowest_code(bits)]
    return [np.maximum(codes, 0), np.maximum(-codes, 0)]


class ColumnCounter:
    """Counts the codes of a matrix of `columns` columns, row block by row block.

    bits: at most WIDEST, since every code has a counter in every entry.
    """

    def __init__(self, columns: int, bits: int) -> None:
        self.columns, self.bits = columns, bits
        self.width = -(-columns // MOST_ENTRIES)
        self.counts = np.zeros((-(-columns // self.width), 1 << bits), dtype=np.int64)

    def add(self, codes: Codes) -> None:
        """Count a block of codes (rows, columns)."""
        numbers = codes - lowest_code(self.bits)
        for entry, counts in enumerate(self.counts):
            share = numbers[:, entry * self.width : (entry + 1) * self.width]
            counts += np.bincount(share.ravel(), minlength=1 << self.bits)

    def stats(self) -> ColumnStats:
        """What was counted."""
        codes = lowest_code(self.bits) + np.arange(1 << self.bits)
        shares = self.counts / self.counts.sum(axis=1, keepdims=True)
        planes = [
            np.rint(MILLE * found).astype(int).tolist()
            for mapping in ("offset", "differential")
            for found in code_densities(codes, shares, self.bits, mapping)
        ]
        offset, positive, negative = planes
        return ColumnStats(
            count=self.columns,
            width=self.width,
            offset=offset,
            positive=positive,
            negative=negative,
        )


def code_densities(codes: Codes, shares: Floats, bits: int, mapping: str) -> list[Floats]:
    """As ColumnStats.densities, of codes that have the given shares (entries, codes)."""
    return [shares @ bit_of(number, bits) for number in stored(codes, bits, mapping)]
