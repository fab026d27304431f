"""Differential writes: how many cells get another level when codes change or are masked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.mapping.written import Rewrite
from archsim.trace.encoding import code_shares, pattern
from archsim.trace.operators import Layer

Shares = NDArray[np.float64]


def reprogrammed(
    layers: Iterable[Layer], arch: Architecture, *, differential: bool = True
) -> tuple[Rewrite, ...]:
    """Rewrites of whole layers with new codes; differential: of the cells that change alone."""
    return tuple(
        Rewrite(layer.name, changed=changed_cells(layer, arch) if differential else 1.0)
        for layer in layers
    )


def changed_cells(layer: Layer, arch: Architecture) -> float:
    """Share of a layer's cells whose level differs between two independent draws of its codes.

    For each bit slice 1 - sum p(level)^2, averaged over the slices, from the weight histogram with
    the array's encoding. Without statistics codes are uniform: 1 - 2^-bits_per_cell.
    """
    return 1 - float(np.mean([np.square(shares).sum() for shares, _ in _slices(layer, arch)]))


def masked_cells(layer: Layer, arch: Architecture, kept: float) -> float:
    """Share of a layer's cells that another element mask changes, the weights staying the same.

    kept: share of the weights that a mask leaves as they are; the others are zero. Two masks drawn
    independently differ in 2 kept (1 - kept) of the weights, and such a weight changes the cells
    whose level is not that of code zero.
    """
    other = float(np.mean([1 - shares[zero] for shares, zero in _slices(layer, arch)]))
    return 2 * kept * (1 - kept) * other


def _slices(layer: Layer, arch: Architecture) -> list[tuple[Shares, int]]:
    """For each bit slice of a weight the share of each level, and the level of code zero."""
    array = roles(arch.chip.tile.pe).array
    stats = layer.weight_stats
    levels = 1 << array.bits_per_cell
    if stats is None or stats.bits > 8:
        return [(np.full(levels, 1 / levels), 0)]
    codes, shares = code_shares(stats.histogram, stats.bits)
    if array.encoding == "differential":
        halves = [(np.maximum(codes, 0), 0), (np.maximum(-codes, 0), 0)]
    else:
        zero_code = int(pattern(np.zeros(1, np.int64), stats.bits, array.encoding)[0])
        halves = [(pattern(codes, stats.bits, array.encoding), zero_code)]
    found = []
    for magnitudes, zero in halves:
        for shift in range(0, stats.bits, array.bits_per_cell):
            level = (magnitudes >> shift) & (levels - 1)
            found_shares = np.bincount(level, shares, levels).astype(np.float64)
            found.append((found_shares, (zero >> shift) & (levels - 1)))
    return found
