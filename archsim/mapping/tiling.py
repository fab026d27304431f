"""How the weights of one layer fill crossbar arrays: row tiles, column tiles, bit slices."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.pe import Roles
from archsim.components.base import ceil_div
from archsim.trace.operators import Conv2d, Linear


@dataclass(frozen=True)
class ArrayShare:
    """What one array holds of a layer.

    rows, columns: wordlines and bitlines in use; macs: weights stored, each one MAC per vector;
    inputs: which part of the input vector drives the rows; outputs: which outputs it adds to
    (arrays with the same `outputs` hold different rows of the same columns); width: outputs.
    """

    rows: int
    columns: int
    macs: int
    inputs: int
    outputs: int
    width: int


@dataclass(frozen=True)
class PEShare:
    """Arrays of one PE, all driven by the same input register."""

    arrays: tuple[ArrayShare, ...]

    @property
    def input_elements(self) -> int:
        """Distinct input elements that the register holds."""
        return sum({a.inputs: a.rows for a in self.arrays}.values())

    @property
    def widths(self) -> dict[int, int]:
        """Outputs of the PE after its arrays' partial sums are added, by output group."""
        return {a.outputs: a.width for a in self.arrays}


def tile_layer(layer: Conv2d | Linear, pe: Roles, weight_bits: int) -> list[ArrayShare]:
    """The arrays of one copy of a layer, column tile by column tile.

    A weight matrix of rows x columns (im2col for convolutions) is cut into tiles of the array's
    rows and of the outputs that fit side by side. Groups smaller than an array share one on its
    diagonal; their other cells stay at zero.
    """
    outputs = pe.outputs_per_array(weight_bits)
    slices = pe.array.columns_per_weight(weight_bits)
    rows, columns, groups = layer.rows, layer.columns, layer.groups
    if outputs == 0:
        raise ValueError(
            f"a weight of {weight_bits} bits takes {slices} columns, "
            f"an array has {pe.array.columns}"
        )
    if groups > 1 and rows <= pe.array.rows and columns <= outputs:
        together = min(pe.array.rows // rows, outputs // columns)
        shares = []
        for index in range(ceil_div(groups, together)):
            held = min(together, groups - index * together)
            shares.append(
                ArrayShare(
                    rows=held * rows,
                    columns=held * columns * slices,
                    macs=held * rows * columns,
                    inputs=index,
                    outputs=index,
                    width=held * columns,
                )
            )
        return shares
    row_tiles, column_tiles = ceil_div(rows, pe.array.rows), ceil_div(columns, outputs)
    return [
        ArrayShare(
            rows=(held := min(pe.array.rows, rows - r * pe.array.rows)),
            columns=(width := min(outputs, columns - c * outputs)) * slices,
            macs=held * width,
            inputs=group * row_tiles + r,
            outputs=group * column_tiles + c,
            width=width,
        )
        for group in range(groups)
        for c in range(column_tiles)
        for r in range(row_tiles)
    ]


def fill_pes(arrays: list[ArrayShare], per_pe: int) -> list[PEShare]:
    """Put consecutive arrays into PEs: row tiles of one column tile meet in the same PE."""
    return [PEShare(tuple(arrays[i : i + per_pe])) for i in range(0, len(arrays), per_pe)]
