"""Partial sums of one output from several arrays: how many additions, and how many bits to move."""

from __future__ import annotations

from collections import Counter

from archsim.mapping.tiling import PEShare


def widths_of(pes: list[PEShare]) -> dict[int, int]:
    """Outputs of several PEs after their partial sums are added, by output group."""
    return {group: width for pe in pes for group, width in pe.widths.items()}


def additions(partials: list[dict[int, int]]) -> int:
    """Additions that merge partial results, given by output group: one less than there are."""
    counts = Counter(group for widths in partials for group in widths)
    width_of = {group: width for widths in partials for group, width in widths.items()}
    return sum((count - 1) * width_of[group] for group, count in counts.items())


def result_bits(pes: list[PEShare], sums: Counter[int], bits: int) -> int:
    """Bits of what PEs have added up together; what is not complete has twice the width."""
    here = Counter(array.outputs for pe in pes for array in pe.arrays)
    return sum(
        width * bits * (1 if here[group] == sums[group] else 2)
        for group, width in widths_of(pes).items()
    )
