"""What an attention mask leaves: the positions of one sequence that each row attends to.

A mask is a pattern (band, blocks, prefix) or a table row by row. Everything that asks for work,
traffic or dependencies of a masked product asks for `Attended`; no one else looks at the pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from archsim.schema import Model
from archsim.schema.ranges import Size, Whole
from archsim.schema.units import MOST
from archsim.trace.window import Positions


@dataclass(frozen=True)
class Attended:
    """By row, int64 arrays of shape (rows,): the first and last position seen, and how many.

    A row that sees nothing has count 0 and last -1. The count may be less than last - first + 1.
    """

    first: Positions
    last: Positions
    count: Positions


class Band(Model):
    """A row attends to the `before` positions before its own, its own, and `after` behind it.

    A sliding window of W (Beltagy et al., 2020; Mistral 7B) is before = W - 1, after = 0.
    """

    kind: Literal["band"]
    before: Whole
    after: Whole = 0

    def attended(self, rows: int, span: int) -> Attended:
        own = _own(rows, span)
        first = np.maximum(own - self.before, 0)
        last = np.minimum(own + self.after, span - 1)
        return Attended(first, last, last - first + 1)


class Blocks(Model):
    """A row attends to the positions of its own block of `size`; causal: to those up to its own."""

    kind: Literal["block"]
    size: Size
    causal: bool = False

    def attended(self, rows: int, span: int) -> Attended:
        own = _own(rows, span)
        first = own // self.size * self.size
        last = own if self.causal else np.minimum(first + self.size, span) - 1
        return Attended(first, last, last - first + 1)


class Prefix(Model):
    """Every row attends to the first `length` positions, and to all up to its own (prefix LM)."""

    kind: Literal["prefix"]
    length: Size

    def attended(self, rows: int, span: int) -> Attended:
        last = np.minimum(np.maximum(_own(rows, span), self.length - 1), span - 1)
        return Attended(np.zeros(rows, np.int64), last, last + 1)


class Rows(Model):
    """Any other mask, row by row: first and last position seen (-1: none), and how many."""

    kind: Literal["rows"]
    first: list[Whole]
    last: list[Annotated[int, Field(ge=-1, le=MOST)]]
    count: list[Whole]

    def attended(self, rows: int, span: int) -> Attended:
        first, last, count = (np.array(x, np.int64) for x in (self.first, self.last, self.count))
        if not len(first) == len(last) == len(count) == rows:
            raise ValueError(f"has {len(first)}, {len(last)} and {len(count)} rows, not {rows}")
        if (last >= span).any() or (count > np.maximum(last - first + 1, 0)).any():
            raise ValueError(f"counts more than it sees, or sees more than {span} positions")
        return Attended(first, last, count)


Mask = Annotated[Band | Blocks | Prefix | Rows, Field(discriminator="kind")]


def _own(rows: int, span: int) -> Positions:
    """Position of each row: the rows are the last of the sequence (a cache holds the others)."""
    return np.arange(span - rows, span, dtype=np.int64)


def causal(rows: int, span: int) -> Attended:
    """A row attends to all positions up to its own."""
    own = _own(rows, span)
    return Attended(np.zeros(rows, np.int64), own, own + 1)


def everything(rows: int, span: int) -> Attended:
    """A row attends to all positions."""
    full = np.full(rows, span, np.int64)
    return Attended(np.zeros(rows, np.int64), full - 1, full)


def table(seen: NDArray[np.bool_]) -> Attended:
    """Of a mask written out, (rows, span): True where a row attends to a position."""
    some = seen.any(axis=1)
    first = np.where(some, seen.argmax(axis=1), 0)
    last = np.where(some, seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1), -1)
    return Attended(first.astype(np.int64), last.astype(np.int64), seen.sum(axis=1, dtype=np.int64))


def recognise(seen: NDArray[np.bool_]) -> dict[str, Any]:
    """The fields of a `matmul` record for a mask of (rows, span): {} if nothing is hidden.

    seen: True where a row attends to a position. The pattern is the first that leaves exactly
    these positions: causal, band, blocks, prefix; else the rows one by one.
    """
    rows, span = seen.shape
    if seen.all():
        return {}
    if rows <= span:
        if _written(causal(rows, span), seen):
            return {"causal": True}
        for mask in _candidates(seen):
            if _written(mask.attended(rows, span), seen):
                return {"mask": mask}
    found = table(seen)
    lists = {name: getattr(found, name).tolist() for name in ("first", "last", "count")}
    return {"mask": Rows(kind="rows", **lists)}


def _candidates(seen: NDArray[np.bool_]) -> list[Band | Blocks | Prefix]:
    """The one pattern of each kind that may be the mask."""
    rows, span = seen.shape
    found, own = table(seen), _own(rows, span)
    before = int(np.maximum(own - found.first, 0).max())
    after = int(np.maximum(found.last - own, 0).max())
    size = int(found.count.max())
    masks: list[Band | Blocks | Prefix] = [Band(kind="band", before=before, after=after)]
    for one_way in (False, True):
        masks.append(Blocks(kind="block", size=max(size, 1), causal=one_way))
    masks.append(Prefix(kind="prefix", length=max(int(found.last[0]) + 1, 1)))
    return masks


def _written(pattern: Attended, seen: NDArray[np.bool_]) -> bool:
    at = np.arange(seen.shape[1])
    inside = (at >= pattern.first[:, None]) & (at <= pattern.last[:, None])
    return bool((inside == seen).all())
