"""What trained values make of the energy of digital macros: counted bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from macro_chips import FP8, SAS, macro_chip
from test_programming import DRIVER
from test_teaching import small_chip
from values_of import product, stats_of

from archsim.adaptation.differential import changed_cells
from archsim.costing.values import aligned_density, layer_values
from archsim.simulation import simulate
from archsim.trace.fp8 import FORMATS, encode
from archsim.trace.stats import tensor_stats

MACRO = "chip.tile.pe.macro"


def bits_of(codes: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement: (..., bits) zeros and ones."""
    return (codes[..., None] % (1 << bits)) >> np.arange(bits) & 1


@pytest.mark.parametrize("fill", ["ones", "zeros", "random"])
def test_and_energy_counts_pairs_of_ones(fill: str) -> None:
    """Weights that are the same in every row, so that the averages are exact."""
    random = np.random.default_rng(1)
    inputs = {"ones": np.full((5, 4), -1), "zeros": np.zeros((5, 4), int)}.get(
        fill, random.integers(-8, 8, (5, 4))
    )
    weights = np.tile(random.integers(-8, 8, (1, 2)), (4, 1))
    arch = macro_chip(bits=4, size="4 x 8")
    trace = product(stats_of(weights, 4), stats_of(inputs, 4), (5, 4, 2), bits=4)
    pairs = int(np.einsum("vrb,rcw->", bits_of(inputs, 4), bits_of(weights, 4)))
    bare = simulate(arch, trace, statistics=False, replicate=False)
    cells = 5 * 4 * 32 * 1e-15  # vectors x bits x cells x 1 fJ for random codes
    measured = simulate(arch, trace, replicate=False).energy_parts_j[MACRO]["dynamic"]
    # an AND whose output is one costs four times the average over random codes
    saved = bare.energy_parts_j[MACRO]["dynamic"] - measured
    assert saved == pytest.approx(cells - 4 * pairs * 1e-15, rel=1e-6, abs=1e-21)


def test_weights_show_in_twos_complement_whatever_the_trace_says() -> None:
    weights = np.array([-1, 1])  # 1111 and 0001: 5 ones of 8
    trace = product(stats_of(weights, 4, "sign_magnitude"), stats_of([0, 1], 4), bits=4)
    found = layer_values(trace, macro_chip(bits=4, size="4 x 8"))["l0"]
    assert found.level == pytest.approx(5 / 8)
    assert found.one_density == pytest.approx(1 / 8)


def test_without_statistics_every_bit_is_random() -> None:
    found = layer_values(product(None, None), macro_chip(bits=8, **FP8))["l0"]
    assert (found.drive, found.level, found.inputs, found.weights) == (0.5, 0.5, False, False)


def by_hand(values: np.ndarray, name: str, width: int) -> float:
    """Ones among the significands of rows of values, each row aligned to its largest exponent."""
    form = FORMATS[name]
    exponent, mantissa = np.divmod(encode(values, form), 1 << form.mantissa)
    significand = mantissa + (exponent > 0) * (1 << form.mantissa)
    place = np.maximum(exponent, 1)
    shift = place.max(axis=1, keepdims=True) - place
    aligned = (significand << (width - 1 - form.mantissa)) >> shift
    return float((aligned[..., None] >> np.arange(width) & 1).mean())


@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
@pytest.mark.parametrize("together", [1, 16, 64])
def test_aligned_significands_bit_by_bit(name: str, together: int) -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(4096, together)) * (random.random((4096, together)) > 0.3)
    stats = tensor_stats(values)
    assert stats.fp8 is not None
    found = getattr(stats.fp8, name)
    wanted = by_hand(values / found.scale, name, 8)
    density = aligned_density(found, FORMATS[name].mantissa, 8, together)
    assert density == pytest.approx(wanted, rel=0.02)


def test_one_exponent_by_hand() -> None:
    """Values 1.5 and 1: significands 1.100 and 1.000 of 8 bits, 3 ones in 16."""
    stats = tensor_stats(np.array([[1.5, 1.0]]))
    assert stats.fp8 is not None
    one = stats.fp8.e4m3.model_copy(
        update={
            "exponent_histogram": [0] * 7 + [2] + [0] * 8,
            "mantissa_one_density": [0.0, 0.0, 0.5],
            "zero_share": 0.0,
            "subnormal_share": 0.0,
        }
    )
    assert aligned_density(one, 3, 8, 2) == pytest.approx(3 / 16)


def test_share_of_bits_that_a_new_task_changes() -> None:
    """Codes 0 and -1, half each: every bit is one with 1/2, so half the cells change."""
    trace = product(stats_of([0, -1, 0, -1], 4), None, bits=4)
    layer = trace.layers[0]
    assert changed_cells(layer, macro_chip(SAS, bits=4, size="4 x 8")) == pytest.approx(0.5)
    analog = small_chip({"chip.tile.driver": DRIVER})  # offset: 1000 and 0111, the same here
    assert changed_cells(layer, analog) == pytest.approx(0.5)
