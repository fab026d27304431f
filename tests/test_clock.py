"""The tick: every clock of a chip as a whole number of ticks, to better than one in a million."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_teaching import ROOT

from archsim.arch.load import load_arch
from archsim.mapping.clock import choose_tick, simplest_fraction, ticks

MEGAHERTZ = st.integers(1, 5000).map(lambda f: 1 / (f * 1e6))
ANY_PERIOD = st.floats(1e-11, 1e-6, allow_nan=False)


@given(st.lists(MEGAHERTZ | ANY_PERIOD, min_size=1, max_size=8))
@example([1 / 1.2e9, 1 / 1.28e9, 1e-7])
@example([3.1e-10, 1e-6, 2.718281828e-9, 3.14159265e-8, 1.4142135e-7])
def test_every_period_within_one_part_in_a_million(periods: list[float]) -> None:
    tick = choose_tick(periods)
    assert tick > 0
    for period in periods:
        exact, got = Fraction(period), ticks(period, tick) * Fraction(tick)
        assert abs(got - exact) < exact / 10**6


def test_isaac_is_exact() -> None:
    """lcm(1.2, 1.28, 1.6, 1 GHz, 10 MHz) = 96 GHz, from 2^8 x 3 x 5^3 MHz."""
    isaac = load_arch(ROOT / "arch_configs" / "isaac.yaml")
    periods = [p for part, _ in isaac.parts().values() for p in part.periods()]
    tick = choose_tick([*periods, 1 / isaac.clock])
    assert tick == pytest.approx(1 / 96e9, rel=1e-12)
    hertz = {round(1 / p): p for p in periods}
    assert set(hertz) == {10**7, 10**9, 12 * 10**8, 128 * 10**7, 16 * 10**8}
    for frequency, period in hertz.items():
        assert ticks(period, tick) * frequency == 96 * 10**9


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_whole_nanoseconds_are_exact(numbers: list[int]) -> None:
    """Periods that are multiples of 1 ns keep their ratios exactly."""
    tick = choose_tick([n * 1e-9 for n in numbers])
    first = ticks(numbers[0] * 1e-9, tick)
    for n in numbers:
        assert ticks(n * 1e-9, tick) * numbers[0] == first * n


def test_the_tick_is_the_longest_that_fits() -> None:
    assert choose_tick([2e-9, 3e-9]) == pytest.approx(1e-9)
    assert choose_tick([4e-9, 8e-9]) == pytest.approx(4e-9)
    assert choose_tick([5e-9]) == 5e-9


@given(st.fractions(min_value=Fraction(1, 700), max_value=1, max_denominator=700))
def test_small_fractions_are_found(value: Fraction) -> None:
    assert simplest_fraction(float(value)) == value


def test_ticks_of_a_duration() -> None:
    assert ticks(0.0, 1e-9) == 0
    assert ticks(1e-12, 1e-9) == 1  # something that takes time never takes none
    assert ticks(7e-9, 1e-9) == 7


@pytest.mark.parametrize("periods", [[], [0.0], [-1e-9, 1e-9]])
def test_periods_must_be_positive(periods: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        choose_tick(periods)
