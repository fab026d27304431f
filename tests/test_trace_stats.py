"""Statistics and window reach against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.trace.stats import quantise, tensor_stats
from archsim.trace.window import causal, everything, one_to_one, sliding_window

FLOATS = st.floats(-1e6, 1e6, allow_nan=False)
VALUES = st.lists(FLOATS, min_size=1, max_size=60)
BITS = st.integers(2, 12)


@given(VALUES, BITS)
def test_codes_are_within_half_a_step(values: list[float], bits: int) -> None:
    codes, scale = quantise(values, bits)
    top = 2 ** (bits - 1) - 1
    assert np.abs(codes).max() <= top
    error = np.abs(codes * scale - np.array(values))
    assert error.max() <= scale * (0.5 + 1e-9)
    if any(abs(v) > 1e-300 for v in values):
        assert np.abs(codes).max() == top


@given(VALUES, BITS)
def test_densities_against_bit_strings(values: list[float], bits: int) -> None:
    stats = tensor_stats(values, bits)
    codes = [int(code) for code in quantise(values, bits)[0]]
    patterns = [format(code % 2**bits, f"0{bits}b") for code in codes]
    assert len(stats.one_density) == bits
    for plane, density in enumerate(stats.one_density):
        ones = sum(pattern[-1 - plane] == "1" for pattern in patterns)
        assert density == pytest.approx(ones / len(values), abs=1e-6)
    assert stats.zero_share == pytest.approx(codes.count(0) / len(codes), abs=1e-6)
    assert (stats.minimum, stats.maximum) == (min(values), max(values))


@given(VALUES, BITS)
def test_histogram_counts_every_sample_in_its_bin(values: list[float], bits: int) -> None:
    stats = tensor_stats(values, bits)
    assert sum(stats.histogram) == stats.samples == len(values)
    expected = [0] * 256
    for code in quantise(values, bits)[0].tolist():
        above_lowest = code + 2 ** (bits - 1)
        expected[above_lowest if bits <= 8 else above_lowest // 2 ** (bits - 8)] += 1
    assert stats.histogram == expected


def test_eight_bits_worked_by_hand() -> None:
    stats = tensor_stats([-127.0, -1.0, 0.0, 64.0])
    assert stats.scale == 1.0 and stats.zero_share == 0.25
    assert [i for i, n in enumerate(stats.histogram) if n] == [1, 127, 128, 192]
    # 10000001, 11111111, 00000000, 01000000
    assert stats.one_density == [0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5]


def test_all_zero() -> None:
    stats = tensor_stats(np.zeros((3, 4)))
    assert stats.scale == 1.0 and stats.zero_share == 1.0 and stats.histogram[128] == 12
    assert stats.one_density == [0.0] * 8


@given(st.floats(5e-324, 1e-300), BITS)
def test_subnormal_values_stay_in_range(peak: float, bits: int) -> None:
    codes, scale = quantise([peak, -peak / 2], bits)
    assert np.abs(codes).max() <= 2 ** (bits - 1) - 1 and scale > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        tensor_stats([1.0, bad])


@st.composite
def windows(draw: st.DrawFn) -> dict[str, tuple[int, int]]:
    """A window on a small map, with its output size, every parameter drawn per axis."""
    axes = []
    for _ in range(2):
        size = draw(st.integers(1, 7))
        pad = draw(st.integers(0, 3))
        dilation = draw(st.integers(1, 3))
        most = (size + 2 * pad - 1) // dilation + 1
        kernel = draw(st.integers(1, most))
        stride = draw(st.integers(1, 3))
        out = (size + 2 * pad - (kernel - 1) * dilation - 1) // stride + 1
        axes.append((size, out, kernel, stride, pad, dilation))
    names = ("size_in", "size_out", "kernel", "stride", "padding", "dilation")
    return dict(zip(names, zip(*axes, strict=True), strict=True))


def needed(window: dict[str, tuple[int, int]]) -> list[set[int]]:
    """The input positions under the window of each output position, one by one."""
    height, width = window["size_in"]
    found = []
    for y in range(window["size_out"][0]):
        for x in range(window["size_out"][1]):
            cells = set()
            for i in range(window["kernel"][0]):
                for j in range(window["kernel"][1]):
                    row = y * window["stride"][0] - window["padding"][0] + i * window["dilation"][0]
                    col = x * window["stride"][1] - window["padding"][1] + j * window["dilation"][1]
                    if 0 <= row < height and 0 <= col < width:
                        cells.add(row * width + col)
            found.append(cells)
    return found


@given(windows())
def test_reach_of_a_window_against_enumeration(window: dict[str, tuple[int, int]]) -> None:
    reach = sliding_window(**window)
    cells = needed(window)
    end = window["size_in"][0] * window["size_in"][1] - 1
    latest = -1
    for n, mine in enumerate(cells):
        latest = max([latest, *mine])
        assert reach.last[n] == latest
        assert reach.first[n] == min([end, *set().union(*cells[n:])])
    assert len(reach.first) == len(reach.last) == len(cells)


def test_reach_of_a_3x3_window_by_hand() -> None:
    reach = sliding_window((3, 3), (3, 3), (3, 3), (1, 1), (1, 1))
    assert reach.last.tolist() == [4, 5, 5, 7, 8, 8, 8, 8, 8]
    assert reach.first.tolist() == [0, 0, 0, 0, 0, 1, 3, 3, 4]


@given(st.integers(1, 20), st.integers(0, 20))
def test_reach_of_sequences(length: int, cached: int) -> None:
    same = one_to_one(length)
    assert same.first.tolist() == same.last.tolist() == list(range(length))
    whole = everything(length + cached, length)
    assert set(whole.first) == {0} and set(whole.last) == {length + cached - 1}
    past = causal(length + cached, length)
    assert past.last.tolist() == [cached + n for n in range(length)]
    assert set(past.first) == {0}
