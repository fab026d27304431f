"""How the weights of one layer fill arrays: row tiles, column tiles, bit slices.

An array is a crossbar, or a plane of a bit-serial macro. Of a circulant block one row is stored,
as a column, and read once for every row of the block, with the inputs turned by one place each time
(ReBoc, DATE 2020). Columns that would stay empty take copies turned against each other, which save
readings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

from archsim.arch.pe import Roles
from archsim.components.base import ceil_div
from archsim.trace.operators import Conv2d, Linear, Recurrent


@dataclass(frozen=True)
class ArrayShare:
    """What one array holds of a layer.

    rows, columns: wordlines and bitlines in use; weights: how many are stored; inputs: which part
    of the input vector drives the rows; outputs: which outputs it adds to (arrays with the same
    `outputs` hold different rows of the same columns); width: outputs of a vector; turns: readings
    of a vector, each with its inputs turned further and for as many other outputs.
    """

    rows: int
    columns: int
    weights: int
    inputs: int
    outputs: int
    width: int
    turns: int = 1

    @property
    def macs(self) -> int:
        """Products of one vector: every weight in every reading."""
        return self.weights * self.turns

    @property
    def stored(self) -> int:
        """Weights side by side in a row: the outputs of one reading."""
        return self.width // self.turns


@dataclass(frozen=True)
class PEShare:
    """Arrays of one PE, all driven by the same input register."""

    arrays: tuple[ArrayShare, ...]

    @cached_property
    def input_elements(self) -> int:
        """Distinct input elements that the register holds."""
        return sum({a.inputs: a.rows for a in self.arrays}.values())

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Equal for PEs whose arrays do the same work: rows and columns, inputs, outputs."""
        sizes = [n for array in self.arrays for n in (array.rows, array.columns)]
        return (self.input_elements, sum(self.widths.values()), *sizes)

    @cached_property
    def widths(self) -> dict[int, int]:
        """Outputs of the PE after its arrays' partial sums are added, by output group."""
        return {a.outputs: a.width for a in self.arrays}


@dataclass(frozen=True)
class Weights:
    """A weight matrix as arrays see it: `groups` blocks of rows x columns (im2col for conv).

    circulant: side of its circulant blocks, of which each keeps one row; 1 if there are none.
    """

    rows: int
    columns: int
    groups: int
    circulant: int = 1

    def turns(self, outputs: int) -> int:
        """Readings of one vector in arrays of `outputs` outputs.

        As many copies of the stored columns as fit side by side, a divisor of the block's side.
        """
        stored = self.columns // self.circulant
        copies = (n for n in range(1, self.circulant + 1) if self.circulant % n == 0)
        return self.circulant // max(n for n in copies if n == 1 or n * stored <= outputs)


def weights_of(layer: Conv2d | Linear | Recurrent) -> Weights:
    """The weight matrix of a layer that stays in arrays."""
    side = 1 if isinstance(layer, Recurrent) else layer.circulant
    return Weights(layer.rows, layer.columns, layer.groups, side)


def cut(weights: Weights, shards: int) -> Weights:
    """One of `shards` equal parts by input channels (by groups, if there are any)."""
    if weights.groups > 1:
        return replace(weights, groups=weights.groups // shards)
    return replace(weights, rows=weights.rows // shards)


def tile_weights(weights: Weights, pe: Roles, weight_bits: int) -> tuple[ArrayShare, ...]:
    """The arrays of one copy of a weight matrix, column tile by column tile.

    Each block is cut into tiles of the array's rows and of the outputs that fit side by side.
    Blocks smaller than an array share one on its diagonal; their other cells stay at zero.
    """
    return _arrays(weights, _grid(pe, weight_bits))


def tile_shards(
    weights: Weights, pe: Roles, weight_bits: int, shards: int = 1
) -> tuple[tuple[PEShare, ...], ...]:
    """PEs of one copy of a layer, shard by shard: each shard holds other input channels.

    Shards of one block add to the same outputs, which the home tile merges. Consecutive arrays
    go into one PE, so that row tiles of one column tile mostly meet there.
    """
    return _shards(weights, _grid(pe, weight_bits), pe.planes, shards)


class _Grid(NamedTuple):
    """An array: its rows, the outputs side by side and the columns that each takes."""

    rows: int
    outputs: int
    slices: int


def _grid(pe: Roles, weight_bits: int) -> _Grid:
    array = pe.array
    return _Grid(
        array.rows, pe.outputs_per_array(weight_bits), array.columns_per_weight(weight_bits)
    )


@lru_cache(maxsize=64)  # the blocks of a transformer are alike, and so are the points of a sweep
def _shards(
    weights: Weights, grid: _Grid, per_pe: int, shards: int
) -> tuple[tuple[PEShare, ...], ...]:
    part = cut(weights, shards)
    found = []
    inputs = outputs = 0
    for _ in range(shards):
        arrays = _arrays(part, grid, inputs, outputs)
        inputs = max(a.inputs for a in arrays) + 1
        outputs = max(a.outputs for a in arrays) + 1 if weights.groups > 1 else 0
        pes = (PEShare(arrays[i : i + per_pe]) for i in range(0, len(arrays), per_pe))
        found.append(tuple(pes))
    return tuple(found)


def _arrays(
    weights: Weights, grid: _Grid, first_input: int = 0, first_output: int = 0
) -> tuple[ArrayShare, ...]:
    rows, columns, groups = weights.rows, weights.columns, weights.groups
    if groups > 1 and rows <= grid.rows and columns <= grid.outputs:
        together = min(grid.rows // rows, grid.outputs // columns)
        return tuple(
            ArrayShare(
                rows=(held := min(together, groups - index * together)) * rows,
                columns=held * columns * grid.slices,
                weights=held * rows * columns,
                inputs=first_input + index,
                outputs=first_output + index,
                width=held * columns,
            )
            for index in range(ceil_div(groups, together))
        )
    turns = weights.turns(grid.outputs)
    columns //= turns
    row_tiles, column_tiles = ceil_div(rows, grid.rows), ceil_div(columns, grid.outputs)
    return tuple(
        ArrayShare(
            rows=(held := min(grid.rows, rows - r * grid.rows)),
            columns=(stored := min(grid.outputs, columns - c * grid.outputs)) * grid.slices,
            weights=held * stored,
            inputs=first_input + group * row_tiles + r,
            outputs=first_output + group * column_tiles + c,
            width=stored * turns,
            turns=turns,
        )
        for group in range(groups)
        for c in range(column_tiles)
        for r in range(row_tiles)
    )
