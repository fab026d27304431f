"""Block-circulant weights: what is stored, how often it is read, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macro_chips import macro_chip
from test_mapping import pace
from test_teaching import MESH, array_size, conv, finishes, layers, linear, small_chip

from archsim.arch.pe import roles
from archsim.errors import InputError
from archsim.learning import learning_work
from archsim.learning.backward import training_trace
from archsim.mapping.lower import map_trace
from archsim.mapping.tiling import Weights, tile_weights
from archsim.trace.circulant import with_circulant
from archsim.trace.load import load_trace
from archsim.trace.operators import Conv2d, Linear

# a 2-bit weight takes two columns: two outputs an array, each array with an ADC of its own
FOUR = {**array_size(4, 4, arrays=4), "chip.tile.pe.adc.count": 4}


def block_circulant(first_rows: np.ndarray, side: int) -> np.ndarray:
    """The matrix (outputs, inputs) whose blocks have the given first rows (m / side, n)."""
    turned = [
        np.stack([np.roll(row.reshape(-1, side), k, axis=1).ravel() for k in range(side)])
        for row in first_rows
    ]
    return np.concatenate(turned)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 4, 6, 8]), st.integers(1, 3), st.integers(1, 3), st.data())
def test_turned_inputs_and_copies_give_every_output(
    side: int, wide: int, high: int, data: st.DataObject
) -> None:
    """The schedule in numbers: copy c holds the row turned by c * turns, reading t turns inputs."""
    outputs = data.draw(st.integers(1, 40), "outputs of an array")
    weights = Weights(wide * side, high * side, 1, side)
    turns = weights.turns(outputs)
    random = np.random.default_rng(0)
    rows, x = random.integers(-9, 9, (high, wide * side)), random.integers(-9, 9, wide * side)
    found = np.zeros((high, side), dtype=int)
    for copy in range(side // turns):
        turned = np.roll(rows.reshape(high, wide, side), copy * turns, axis=2)
        for reading in range(turns):
            inputs = np.roll(x.reshape(wide, side), -reading, axis=1)
            found[:, copy * turns + reading] = (turned * inputs).sum(axis=(1, 2))
    assert (found.ravel() == block_circulant(rows, side) @ x).all()
    assert turns == side or high * side // turns <= outputs


@pytest.mark.parametrize(
    ("outer", "side", "arrays", "ticks"),
    [
        (2, 2, 1, 8),  # one stored row, two copies: as the plain matrix, 2 bits x 4 columns
        (4, 2, 1, 16),  # two rows fill the array: two readings, where plain takes two arrays
        (4, 4, 1, 16),  # one row, two copies, two readings
        (8, 4, 1, 32),  # two rows, four readings for four arrays
        (16, 2, 4, 16),  # eight rows in four arrays
        (12, 4, 2, 32),  # three rows: the second array has room for one copy, the first has none
    ],
)
def test_arrays_and_readings_change_places(outer: int, side: int, arrays: int, ticks: int) -> None:
    trace = layers([48, 4], linear(4, outer, circulant=side))
    mapped = map_trace(small_chip(FOUR), trace, replicate=False)
    assert len(mapped.operations[1].arrays) == arrays
    assert pace(mapped, "l0") == ticks
    assert mapped.operations[1].macs == 48 * 4 * outer
    assert trace.parameters() == 4 * outer // side


def test_a_macro_streams_its_inputs_once_per_reading() -> None:
    """Planes of two outputs: one row, two copies, two readings of 2 bits."""
    for record, bits in ((linear(4, 2), 2), (linear(4, 4, circulant=4), 4)):
        program = map_trace(macro_chip(), layers([3, 4], record), replicate=False).program
        assert program.stage_beats[np.flatnonzero(program.stage_hold)].tolist() == [bits]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 2, 3, 4, 8, 16]),
    st.sampled_from([2, 4, 8]),
)
def test_every_product_once_whatever_the_blocks(
    inner: int, outer: int, side: int, bits: int
) -> None:
    """Products of all readings are those of the whole matrix; copies fit the array's columns."""
    pe = roles(small_chip(array_size(16, 16)).chip.tile.pe)
    weights = Weights(inner * side, outer * side, 1, side)
    shares = tile_weights(weights, pe, bits)
    assert sum(a.macs for a in shares) == weights.rows * weights.columns
    stored = weights.rows * weights.columns // side
    copies = side // shares[0].turns
    assert sum(a.weights for a in shares) == stored * copies
    assert all(a.columns <= pe.array.columns and a.rows <= pe.array.rows for a in shares)
    groups = {a.outputs: a.width for a in shares}
    assert sum(groups.values()) == weights.columns
    if copies > 1:
        assert len(groups) == 1  # copies only fill columns that would stay empty


def test_both_engines_agree_on_circulant_layers() -> None:
    """Convolution, shards, copies of layers and a linear layer."""
    trace = layers(
        [6, 4, 3],
        conv(3, 8),
        conv(8, 8, circulant=4),
        {"op": "pool", "function": "avg", "kernel": [6, 4]},
        linear(8, 8, circulant=2),
    )
    tight = small_chip({**MESH, "chip.tile.buffer.capacity": "96 B"})
    for chip in (small_chip(MESH), tight):
        mapped = map_trace(chip, trace, batch=2, chips=None)
        for layer in ("l1", "l3"):
            assert finishes(mapped, layer) == finishes(mapped, layer, "reference")
        assert sum(o.macs for o in mapped.operations) == trace.macs()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("op: linear, in_features: 8, out_features: 8, circulant: 3", "in multiples of 3"),
        ("op: linear, in_features: 8, out_features: 8, circulant: 0", "circulant"),
        ("op: conv2d, kernel: [1, 1], in_channels: 8, out_channels: 8, groups: 2, circulant: 2",
         "one group"),
    ],
)  # fmt: skip
def test_blocks_that_do_not_fit_are_refused(tmp_path: Path, record: str, said: str) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(
        "archsim_trace: 1\nname: w\nprovenance: {model: m, made_by: t}\n"
        "precision: {weight: 8, input: 8}\ninputs: [{name: x, shape: [2, 2, 8]}]\n"
        f"layers:\n- {{name: l, inputs: [x], {record}}}\n"
    )
    with pytest.raises(InputError, match=said) as fault:
        load_trace(file)
    assert "w.yaml:7" in str(fault.value)


def test_layers_whose_channels_blocks_do_not_fill_keep_their_weights() -> None:
    trace = layers(
        [4, 4, 3], conv(3, 8), conv(8, 8, groups=8), conv(8, 16), linear(16, 10), linear(10, 8)
    )
    changed = with_circulant(trace, 8)
    sides = [layer.circulant for layer in changed.layers if isinstance(layer, Conv2d | Linear)]
    assert sides == [1, 1, 8, 1, 1]
    assert changed.macs() == trace.macs()
    assert trace.parameters() - changed.parameters() == 8 * 16 * 9 * 7 // 8


def test_the_backward_pass_of_circulant_weights_is_circulant() -> None:
    """The transposed matrix has circulant blocks as well."""
    trace = layers([4, 8], linear(8, 8), linear(8, 16, circulant=4), linear(16, 4))
    work = learning_work(trace, frozenset({"l0"}))
    gradients = {layer.name: layer for layer in training_trace(trace, work).layers}
    found = gradients["l1.dx"]
    assert isinstance(found, Linear)
    assert (found.in_features, found.out_features, found.circulant) == (16, 8, 4)
