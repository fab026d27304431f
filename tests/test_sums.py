"""Partial sums: who needs an adder for them, and who does not."""

from __future__ import annotations

import pytest
from test_teaching import MESH, conv, layers, linear, small_chip

from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.mapping.lower import map_trace
from archsim.simulation import simulate


def without_adder(changes: dict[str, object] | None = None) -> Architecture:
    """Tiles with a unit for ReLU alone; PEs of two arrays of 8 x 16."""
    chip = small_chip({**MESH, **(changes or {})})
    tile = chip.chip.tile
    parts = {n: p for n, p in tile.parts.items() if "add" not in getattr(p, "primitives", ())}
    bare = tile.model_copy()
    object.__setattr__(bare, "__pydantic_extra__", parts)
    return chip.model_copy(update={"chip": chip.chip.model_copy(update={"tile": bare})})


def test_sums_that_meet_in_one_pe_need_no_adder() -> None:
    """Sixteen rows on arrays of eight: two row tiles of each output, side by side in one PE.

    The arrays of a PE add what belongs together in passing, so the tile adds nothing.
    """
    trace = layers([3, 16], linear(16, 2), bits=8)
    mapped = map_trace(without_adder(), trace)
    (info,) = mapped.operations[1:]
    assert len(info.arrays) == 2 * info.lanes
    assert simulate(without_adder(), trace).latency_s > 0


def test_sums_of_several_pes_do() -> None:
    """Twenty-four rows: three row tiles in PEs of two arrays."""
    with pytest.raises(InputError, match=r"l0 \(add, to merge partial sums\)"):
        map_trace(without_adder(), layers([3, 24], linear(24, 2), bits=8))


def test_a_layer_whose_sums_nobody_adds_is_not_cut() -> None:
    """Sixteen channels of a map whose windows fill more than half of a tile's buffer.

    With an adder the layer's inputs are shared by several tiles, which add to the same outputs.
    """
    tight = {"chip.tile.buffer.capacity": "96 B"}
    trace = layers([12, 4, 16], conv(16, 2, 1), conv(2, 2, 1), bits=8)
    tiles = [
        map_trace(chip, trace, chips=None, replicate=False).operations[1].tiles
        for chip in (small_chip({**MESH, **tight}), without_adder(tight))
    ]
    assert tiles[0] > 1 and tiles[1] == 1
