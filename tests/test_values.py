"""Value-dependent energy against sums over single cells and bits, and the laws it keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from values_of import (
    CELL,
    PE,
    chip,
    costed,
    crossbar,
    digits_of,
    levels_of,
    product,
    read_energy,
    stats_of,
)

from archsim.components.crossbar import Crossbar
from archsim.components.dac import DAC
from archsim.costing.values import digit_shares, layer_values, mean_level
from archsim.result import Result
from archsim.simulation import simulate
from archsim.trace.encoding import Encoding

ENCODINGS = st.sampled_from(["twos_complement", "sign_magnitude", "offset"])
MAPPINGS = st.sampled_from(["offset", "differential"])


def dynamic(result: Result, part: str) -> float:
    return result.energy_parts_j[f"{PE}.{part}"]["dynamic"]


@st.composite
def drawn_codes(draw: st.DrawFn, bits: int) -> Any:
    """A random histogram of codes, to sample from: (codes, probabilities)."""
    low = -(2 ** (bits - 1))
    codes = draw(st.lists(st.integers(low, -low - 1), min_size=1, max_size=12, unique=True))
    weights = draw(
        st.lists(st.floats(0.05, 1), min_size=len(codes), max_size=len(codes)).map(np.array)
    )
    return np.array(codes), weights / weights.sum()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from([4, 8]), ENCODINGS, MAPPINGS, st.sampled_from([1, 2, 3]),
       st.sampled_from([1, 2, 4]))  # fmt: skip
def test_read_energy_against_sampled_cells_and_bits(
    data: st.DataObject, bits: int, encoding: Encoding, mapping: str, per_cell: int, resolution: int
) -> None:
    """A trace's histograms against the sum over every cell, vector and digit: 1 %."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    weights, inputs = (
        random.choice(codes, size, p=shares)
        for (codes, shares), size in (
            (data.draw(drawn_codes(bits)), (48, 40)),
            (data.draw(drawn_codes(bits)), (100, 48)),
        )
    )
    size = inputs.shape[0], *weights.shape
    trace = product(stats_of(weights, bits), stats_of(inputs, bits, encoding), size, bits)
    arch = chip(per_cell, mapping, resolution, **CELL)
    cell = {"mapping": mapping, "per_cell": per_cell, "volt": 0.2, "on": 1e-4, "off": 1e-5}
    expected = read_energy(
        weights, inputs, (bits, bits), encoding, {**cell, "seconds": 2e-9}, resolution
    )
    assert costed(arch, trace)["array"] == pytest.approx(expected, rel=0.01)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(2, 8), ENCODINGS, MAPPINGS, st.integers(1, 9), st.integers(1, 9))
def test_digits_and_levels_of_every_code(
    data: st.DataObject, bits: int, encoding: Encoding, mapping: str, per_cell: int, resolution: int
) -> None:
    """Shares of digits and the mean cell level, code by code."""
    codes = data.draw(st.lists(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), min_size=1))
    stats = stats_of(codes, bits, encoding)
    reads = list(zip(*[digits_of(c, bits, encoding, resolution) for c in codes], strict=True))
    shares = digit_shares(stats, bits, resolution)
    for read, digits in enumerate(reads):
        counted = np.bincount(digits, minlength=2**resolution) / len(codes)
        assert shares[read] == pytest.approx(counted)
    levels = [x for c in codes for x in levels_of(c, bits, mapping, per_cell)]
    array = crossbar(mapping, per_cell)
    assert mean_level(stats, bits, array) == pytest.approx(np.mean(levels) / (2**per_cell - 1))


def test_two_by_two_cells_by_hand() -> None:
    """The example of docs/energy.md: four vectors on a 2 x 2 array of two-bit cells."""
    weights, inputs = np.array([[1, 0], [-1, 1]]), np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])
    trace = product(stats_of(weights, 2), stats_of(inputs, 2), (4, 2, 2), 2)
    arch = chip(2, rows=2, columns=2, read_pulse="10 ns", read_time="10 ns", **CELL)
    values = layer_values(trace, arch)["l0"]
    assert values.one_density == values.drive == 0.375
    assert values.level == 0.75 and values.filled == 1
    assert arch.chip.tile.pe.find(Crossbar)[1].mean_conductance(values) == pytest.approx(77.5e-6)  # type: ignore[index]
    result = simulate(arch, trace, replicate=False)
    # 4 vectors x 2 reads x 4 cells x 0.04 V2 x 77.5 uS x 10 ns x 0.375
    assert dynamic(result, "array") == pytest.approx(372e-15)
    cell = {"mapping": "offset", "per_cell": 2, "volt": 0.2, "on": 1e-4, "off": 1e-5}
    by_cell = read_energy(weights, inputs, (2, 2), "twos_complement", {**cell, "seconds": 1e-8})
    assert by_cell == pytest.approx(372e-15)
    # 16 pulses x 10 fJ, which is the average of random bits
    assert dynamic(result, "dac") == pytest.approx(16 * 10e-15 * 0.375 / 0.5)
    factors = result.value_factors["l0"]
    assert factors.mean_conductance_s == pytest.approx(77.5e-6)
    assert factors.factors[f"{PE}.dac.pulse"] == pytest.approx(0.75)


@pytest.mark.parametrize("encoding", ["twos_complement", "sign_magnitude"])
def test_inputs_of_zeros_cost_no_pulse_and_no_read(encoding: Encoding) -> None:
    zeros = stats_of(np.zeros((4, 4)), 8, encoding)
    joules = costed(chip(), product(None, zeros))
    assert joules["dac"] == joules["array"] == 0 < joules["adc"]
    skipped = costed(chip(zero_skip="bit_plane"), product(None, zeros))
    assert skipped["adc"] == skipped["sample_hold"] == 0 < skipped["shift_add"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-128, 127), min_size=1, max_size=60), st.data(), ENCODINGS,
       st.sampled_from([1, 2, 8]), st.sampled_from(["amplitude", "width"]))  # fmt: skip
def test_more_zeros_never_cost_more(
    codes: list[int], data: st.DataObject, encoding: Encoding, resolution: int, coding: str
) -> None:
    """Of inputs whose pattern of 0 is all zeros, in pulses, reads and conversions."""
    blank = -128 if encoding == "offset" else 0
    cleared = [blank if data.draw(st.booleans()) else code for code in codes]
    arch = chip(resolution=resolution, pulse_coding=coding, zero_skip="bit_plane")
    before, after = (
        layer_values(product(None, stats_of(found, 8, encoding)), arch)["l0"]
        for found in (codes, cleared)
    )
    assert after.drive <= before.drive + 1e-12
    assert after.live <= before.live + 1e-12


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 16), MAPPINGS, st.integers(1, 4), st.integers(1, 4))
def test_random_codes_change_nothing(
    bits: int, mapping: str, per_cell: int, resolution: int
) -> None:
    """Without conductances the stated power is that of random codes, so every factor is 1."""
    values = layer_values(product(None, None, bits=bits), chip(per_cell, mapping, resolution))["l0"]
    assert (values.inputs, values.weights) == (False, False)
    array = crossbar(mapping, per_cell)
    dac = DAC.model_validate({"kind": "dac", "pulse": "1 ns", "resolution": resolution})
    assert array.value_factor("cell_read", values) == pytest.approx(1)
    assert dac.value_factor("pulse", values) == 1
    if bits <= 8:  # and a trace of uniform codes is no different
        everything = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
        stats = stats_of(everything, bits)
        uniform = layer_values(
            product(stats, stats, bits=bits), chip(per_cell, mapping, resolution)
        )
        assert uniform["l0"].drive == pytest.approx(values.drive)
        if mapping == "offset":
            assert uniform["l0"].level == pytest.approx(values.level)


def test_wide_digits_cost_by_their_level() -> None:
    """Half the inputs at 1, half at 3, on two-bit DACs: (1/9 + 1)/2 by amplitude, 2/3 by width."""
    stats = stats_of([1, 3, 1, 3], 3)
    for coding, drive in (("amplitude", (1 / 9 + 1) / 2), ("width", 2 / 3)):
        values = layer_values(
            product(None, stats, bits=3), chip(resolution=2, pulse_coding=coding)
        )["l0"]
        assert values.drive == pytest.approx(drive / 2)  # the second digit is always 0


def test_zero_skip_by_hand() -> None:
    """A plane with a quarter of ones on 2 rows is all zeros in (3/4)^2 of the reads."""
    stats = stats_of([0, 0, 1, -1], 2)
    arch = chip(rows=2, columns=8, zero_skip="bit_plane")
    values = layer_values(product(None, stats, (4, 2, 2), 2), arch)["l0"]
    assert values.live == pytest.approx(((1 - 1 / 4) + (1 - 9 / 16)) / 2)
    trace = product(None, stats, (4, 2, 2), 2)
    plain, skipped = costed(chip(rows=2, columns=8), trace), costed(arch, trace)
    for part in ("adc", "sample_hold"):
        assert skipped[part] == pytest.approx(values.live * plain[part])
    assert skipped["dac"] == plain["dac"]
