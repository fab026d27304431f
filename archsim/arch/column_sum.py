"""The bits that the sum on a column of an analog array needs."""

from __future__ import annotations

from archsim.arch.pe import AnalogRoles


def column_sum(pe: AnalogRoles) -> int:
    """The highest sum of a column in one read: every row at its highest level and digit.

    rows x (2^bits_per_cell - 1) x (2^DAC resolution - 1), of which flipped columns (`flip`) reach
    half: a column whose levels add up to more is stored inverted and corrected digitally (ISAAC,
    section V).
    """
    array = pe.array
    highest = array.rows * ((1 << array.bits_per_cell) - 1) * ((1 << pe.dac.resolution) - 1)
    return highest // 2 if array.flip else highest


def bits_needed(pe: AnalogRoles) -> int:
    """Bits that hold every sum from 0 to `column_sum`."""
    return column_sum(pe).bit_length()
