"""Values of the layers of a trace: columns, groups, missing statistics, the committed MiniLM."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_teaching import ROOT, layers
from values_of import (
    CELL,
    PE,
    chip,
    crossbar,
    levels_of,
    product,
    stats_of,
)

from archsim.arch.load import load_arch
from archsim.components.values import Values
from archsim.costing.energy import cost
from archsim.costing.values import column_levels, layer_values, mean_level
from archsim.mapping.lower import map_trace
from archsim.simulation import simulate
from archsim.trace.encoding import Encoding, one_density
from archsim.trace.load import load_trace
from archsim.trace.model import Trace
from archsim.trace.quantiser import Quantiser

MAPPINGS = st.sampled_from(["offset", "differential"])


def test_cells_off_the_diagonal_are_at_off_conductance() -> None:
    """Two groups of 2 x 1 weights share an array: half of the cells hold no weight."""
    record = {"op": "conv2d", "in_channels": 4, "out_channels": 2, "groups": 2, "kernel": [1, 1]}
    trace = layers([2, 2, 4], record, bits=2)
    arch = chip(2, rows=4, columns=4, **CELL)
    values = layer_values(trace, arch)["l0"]
    assert values.filled == 0.5
    siemens = crossbar("offset", 2, **CELL).mean_conductance(values)
    assert siemens == pytest.approx(10e-6 + 0.5 * 0.5 * 90e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([4, 8, 11]), MAPPINGS,
       st.integers(1, 4))  # fmt: skip
def test_columns_against_the_cells_of_each_column(
    seed: int, outputs: int, bits: int, mapping: str, per_cell: int
) -> None:
    """Mean level of each array column, to the half thousandth of each bit that is stored."""
    random = np.random.default_rng(seed)
    top = 2 ** (bits - 1) - 1
    codes = random.integers(-top, top + 1, size=(30, outputs))
    codes[0, 0] = top
    stats = Quantiser(weight_bits=bits).weights(codes.astype(float))
    assert stats.columns is not None
    array = crossbar(mapping, per_cell)
    levels = np.array([[levels_of(c, bits, mapping, per_cell) for c in row] for row in codes])
    by_column = levels.mean(axis=0) / (2**per_cell - 1)
    width = stats.columns.width
    grouped = [by_column[i : i + width].mean(axis=0) for i in range(0, outputs, width)]
    assert column_levels(stats.columns, array) == pytest.approx(np.array(grouped), abs=6e-4)
    assert mean_level(stats, bits, array) == pytest.approx(by_column.mean(), abs=6e-4)
    assert (width == 1) == (outputs <= 16)


def test_recurrent_layers_take_their_own_output_too() -> None:
    trace = layers(
        [4, 1],
        {"op": "recurrent", "cell": "gru", "in_features": 1, "hidden": 3,
         "input_stats": stats_of([-1]), "output_stats": stats_of([0])},
        bits=8,
    )  # fmt: skip
    assert layer_values(trace, chip())["l0"].drive == pytest.approx(1 / 4)


def test_statistics_of_another_width_are_not_used() -> None:
    trace = product(stats_of([1], 4), stats_of([1], 4), bits=8)
    values = layer_values(trace, chip())["l0"]
    assert not values.inputs and not values.weights
    result = simulate(chip(), trace)
    assert "absent" in result.value_statistics


def test_the_producers_output_stands_in_for_missing_input_statistics() -> None:
    second = product(None, None)
    first = second.layers[0].model_copy(update={"output_stats": stats_of([0])})
    next_one = second.layers[0].model_copy(update={"name": "l1", "inputs": ["l0"]})
    trace = second.model_copy(update={"layers": [first, next_one]})
    values = layer_values(trace, chip())
    assert values["l1"].inputs and values["l1"].drive == 0
    assert not values["l0"].inputs


def test_conductances_come_together() -> None:
    with pytest.raises(ValueError, match="together"):
        crossbar(read_voltage="0.2 V")
    with pytest.raises(ValueError, match="level 0 conducts least"):
        crossbar(read_voltage="0.2 V", on_conductance="1 uS", off_conductance="2 uS")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_off_cells_cost_what_they_leak(drive: float, level: float, filled: float) -> None:
    """With equal conductances the weights do not matter; without off conductance only they do."""
    values = Values(0.5, drive, level, filled, 1.0, 0.5, 0.5, True, True)
    cell: dict[str, Any] = {"read_voltage": "1 V", "on_conductance": "1 uS"}
    flat = crossbar(**cell, off_conductance="1 uS")
    assert flat.value_factor("cell_read", values) == pytest.approx(drive)
    open_ = crossbar(**cell)
    assert open_.value_factor("cell_read", values) == pytest.approx(drive * filled * level)
    stated = crossbar(power="1 mW")
    assert stated.value_factor("cell_write", values) == flat.value_factor("cell_write", values) == 1
    usual = dataclasses.replace(values, drive=0.5, level=0.5, filled=1.0)
    assert stated.value_factor("cell_read", values) * 0.25 == pytest.approx(drive * filled * level)
    assert stated.value_factor("cell_read", usual) == 1


@pytest.mark.parametrize("encoding", ["twos_complement", "sign_magnitude"])
def test_trained_minilm_against_random_codes(encoding: Encoding) -> None:
    """The DAC and array energies that docs/energy.md quotes, and that they are below random's."""
    arch = load_arch(ROOT / "arch_configs" / "isaac_vpu.yaml")
    trace = load_trace(ROOT / "traces" / "minilm_l6.trace.json")
    mapped = map_trace(arch, trace)
    counts = mapped.program.action_counts()
    text = (ROOT / "docs" / "energy.md").read_text(encoding="utf-8")
    trained, random = (
        cost(arch, mapped.actions, counts, 0.0, 1, layer_values(shown, arch, measured=on)).by_part
        for shown, on in ((in_encoding(trace, encoding), True), (trace, False))
    )
    for part, label in (("dac", "of it DACs"), ("array", "of it arrays")):
        row = next(line for line in text.splitlines() if line.startswith(f"| {label}"))
        for found in (trained, random):
            assert f"| {1e6 * found[f'{PE}.{part}', 'dynamic']:.1f} uJ |" in row
        assert trained[f"{PE}.{part}", "dynamic"] < random[f"{PE}.{part}", "dynamic"]


def in_encoding(trace: Trace, encoding: Encoding) -> Trace:
    """The same codes, shown to the DACs in another encoding."""
    changed = []
    for layer in trace.layers:
        stats = layer.input_stats
        if stats is not None:
            ones = one_density(stats.histogram, stats.bits, encoding)
            stats = stats.model_copy(update={"encoding": encoding, "one_density": ones})
        changed.append(layer.model_copy(update={"input_stats": stats}))
    return trace.model_copy(update={"layers": changed})
