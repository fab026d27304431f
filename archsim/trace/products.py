"""Operators that multiply: by stored weights, or one activation by another."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from archsim.schema.ranges import Size
from archsim.trace import mask, window
from archsim.trace.layer import (
    Circulant,
    LayerBase,
    ShapeError,
    TensorShape,
    channels,
    check_circulant,
    positions,
)
from archsim.trace.mask import Attended, Mask
from archsim.trace.window import Reach


class Linear(LayerBase):
    """A fully connected layer, applied to every position (token) alone.

    In a circulant block each row is the one above it, turned by one place (CirCNN, MICRO 2017), so
    that one row is stored for `circulant` of them; MACs are those of the whole matrix.
    """

    op: Literal["linear"]
    in_features: Size
    out_features: Size
    circulant: Circulant = 1
    stationary: ClassVar[bool] = True
    groups: ClassVar[int] = 1

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        found = channels(inputs[0])
        if found != self.in_features:
            raise ShapeError(f"expects {self.in_features} features, its input has {found}")
        check_circulant(self.circulant, self.in_features, self.out_features)
        return (*inputs[0][:-1], self.out_features)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))

    @property
    def rows(self) -> int:
        return self.in_features

    @property
    def columns(self) -> int:
        return self.out_features

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        return positions(output) * self.in_features * self.out_features

    def parameters(self) -> int:
        return self.in_features * self.out_features // self.circulant


class MatMul(LayerBase):
    """A product of two activations: attention scores and context.

    inputs[0] streams by rows (one position at a time); inputs[1] must be there whole (or up to what
    a row attends to at most: `causal`, its own position; `mask`, another pattern). Each of `heads`
    heads multiplies a row of k by a k x n matrix. Output channels: heads * n. `kv_heads` below
    `heads` is grouped-query attention. With `sequences` above 1 the positions are those of as many
    interleaved sequences (position t * sequences + s), each attending to itself alone.
    """

    op: Literal["matmul"]
    heads: Size = 1
    kv_heads: Size | None = None
    k: Size
    n: Size
    transposed: Annotated[
        bool, Field(description="True: n runs over the positions of inputs[1] (Q K^T)")
    ]
    causal: bool = False
    mask: Annotated[
        Mask | None, Field(description="what else than a causal mask leaves of the positions")
    ] = None
    sequences: Size = 1
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        rows, operand = inputs
        shared = self.kv_heads or self.heads
        if self.heads % shared:
            raise ShapeError(f"kv_heads ({shared}) must divide heads ({self.heads})")
        own, uneven = divmod(positions(rows), self.sequences)
        ordered = self.causal or (self.mask is not None and self.mask.kind != "rows")
        if uneven or (ordered and own > self.span):
            raise ShapeError(
                f"has {positions(rows)} rows in {self.sequences} sequences of {self.span} positions"
            )
        if self.causal and self.mask is not None:
            raise ShapeError("is causal and has a mask; the mask says what a row attends to")
        try:
            self._rows(own)
        except ValueError as error:
            raise ShapeError(f"has a mask that {error}") from None
        if channels(rows) != self.heads * self.k:
            raise ShapeError(
                f"expects {self.heads} x {self.k} channels in its first input, "
                f"which has {channels(rows)}"
            )
        inner, outer = (self.n, self.k) if self.transposed else (self.k, self.n)
        inner *= self.sequences
        if (positions(operand), channels(operand)) != (inner, shared * outer):
            raise ShapeError(
                f"expects {inner} positions of {shared} x {outer} channels in its second input, "
                f"which has shape {list(operand)}"
            )
        return (*rows[:-1], self.heads * self.n)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        rows = positions(output)
        if which == 0:
            return window.one_to_one(rows)
        if self.mask is None:
            span = window.causal if self.causal else window.everything
            return span(positions(inputs[1]), rows)
        own, lane = np.divmod(np.arange(rows), self.sequences)
        seen = self._rows(rows // self.sequences)
        first, last = seen.first[own], seen.last[own]
        return window.monotone(
            np.where(last < 0, self.span - 1, first) * self.sequences + lane,
            np.where(last < 0, -1, last * self.sequences + lane),
        )

    @property
    def span(self) -> int:
        """Positions of one sequence in inputs[1]: the tokens that a row attends to at most."""
        return self.n if self.transposed else self.k

    @property
    def per_token(self) -> int:
        """Multiply-accumulates of one row with one position of inputs[1]."""
        return self.heads * (self.k if self.transposed else self.n)

    @property
    def masked(self) -> bool:
        """True if rows differ in what they attend to."""
        return self.causal or self.mask is not None

    def attended(self, rows: int) -> Attended:
        """What the rows of one sequence attend to, of `rows` rows of all sequences together."""
        return self._rows(rows // self.sequences)

    def _rows(self, own: int) -> Attended:
        if self.mask is not None:
            return self.mask.attended(own, self.span)
        return (mask.causal if self.causal else mask.everything)(own, self.span)

    def hides_future(self, rows: int) -> bool:
        """True if the rows are the last of their sequence and none attends to a later one."""
        if not self.masked or rows // self.sequences > self.span:
            return False
        seen, own = self.attended(rows), self.span - rows // self.sequences
        return bool((seen.last <= own + np.arange(rows // self.sequences)).all())

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        pairs = int(self.attended(positions(output)).count.sum())
        return self.per_token * self.sequences * pairs


class Recurrent(LayerBase):
    """A recurrent layer over positions in order: LSTM, GRU (Cho et al., 2014) or a plain RNN.

    Each step multiplies [input, own last output] by the stacked weights of all gates, so position
    n waits for the layer's own position n - 1.
    """

    op: Literal["recurrent"]
    cell: Literal["lstm", "gru", "rnn"]
    in_features: Size
    hidden: Size
    stationary: ClassVar[bool] = True
    groups: ClassVar[int] = 1

    def output_shape(self, inputs: list[TensorShape]) -> TensorShape:
        found = channels(inputs[0])
        if found != self.in_features:
            raise ShapeError(f"expects {self.in_features} features, its input has {found}")
        return (*inputs[0][:-1], self.hidden)

    def reach(self, which: int, inputs: list[TensorShape], output: TensorShape) -> Reach:
        return window.one_to_one(positions(output))

    @property
    def gates(self) -> int:
        """Weight blocks of `hidden` columns: one per gate and one for the candidate."""
        return {"lstm": 4, "gru": 3, "rnn": 1}[self.cell]

    @property
    def rows(self) -> int:
        return self.in_features + self.hidden

    @property
    def columns(self) -> int:
        return self.gates * self.hidden

    def macs(self, inputs: list[TensorShape], output: TensorShape) -> int:
        return positions(output) * self.rows * self.columns

    def parameters(self) -> int:
        return self.rows * self.columns
