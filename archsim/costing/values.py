"""Values of a trace as the parts of an architecture meet them: digits on rows, levels in cells.

In a digital macro the digits are streamed bits and the levels are stored bits.

The inputs of a layer and its weights are taken as independent of each other, as are the rows of an
array: only averages of each are in a trace.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.arch.model import Architecture
from archsim.arch.pe import AnalogRoles, MacroRoles, Roles, roles
from archsim.components.base import ceil_div
from archsim.components.bit_serial_macro import WIDTH, BitSerialMacro
from archsim.components.crossbar import Crossbar
from archsim.components.values import Values
from archsim.mapping.tiling import ArrayShare, tile_weights, weights_of
from archsim.trace.columns import ColumnStats, code_densities
from archsim.trace.encoding import bit_of, code_shares, one_density, pattern
from archsim.trace.fp8 import FORMATS, FormatStats
from archsim.trace.model import Trace
from archsim.trace.operators import Conv2d, Linear, Recurrent
from archsim.trace.stats import TensorStats

Floats = NDArray[np.float64]
Stationary = Conv2d | Linear | Recurrent  # weights that stay in arrays


def layer_values(trace: Trace, arch: Architecture, *, measured: bool = True) -> dict[str, Values]:
    """Values of every layer whose weights stay in arrays, by name.

    Without statistics of the layer's own code width, or with measured=False, codes are uniform and
    random: every bit is one with probability 1/2.
    """
    pe = roles(arch.chip.tile.pe)
    produced = {entry.name: entry.stats for entry in trace.inputs}
    found: dict[str, Values] = {}
    for layer in trace.layers:
        produced[layer.name] = layer.output_stats
        if not isinstance(layer, Stationary):
            continue
        weight_bits = layer.weight_bits or trace.precision.weight
        input_bits = layer.input_bits or trace.precision.input
        inputs = [(layer.rows, layer.input_stats or produced.get(layer.inputs[0]))]
        if isinstance(layer, Recurrent):  # the other rows take its own last output
            inputs = [(layer.in_features, inputs[0][1]), (layer.hidden, layer.output_stats)]
        known = measured and all(_of_width(stats, input_bits) for _, stats in inputs)
        weights = layer.weight_stats if measured else None
        held = weights if _of_width(weights, weight_bits) else None
        if not known:
            inputs = [(layer.rows, None)]
        if isinstance(pe, AnalogRoles):
            found[layer.name] = _values(layer, pe, (held, weight_bits), (inputs, input_bits))
        else:
            found[layer.name] = _macro_values(layer, pe, (held, weight_bits), (inputs, input_bits))
    return found


def _of_width(stats: TensorStats | None, bits: int) -> bool:
    return stats is not None and stats.bits == bits


def _values(
    layer: Stationary,
    pe: AnalogRoles,
    weights: tuple[TensorStats | None, int],
    inputs: tuple[list[tuple[int, TensorStats | None]], int],
) -> Values:
    parts, bits = inputs
    rows = [count for count, _ in parts]
    resolution = pe.dac.resolution
    digits = np.average(
        [digit_shares(stats, bits, resolution) for _, stats in parts], axis=0, weights=rows
    )
    ones = [0.5 if stats is None else float(np.mean(stats.one_density)) for _, stats in parts]
    level = mean_level(*weights, pe.array)
    usual = mean_level(None, weights[1], pe.array)
    assert usual is not None  # uniform codes have a level at any width
    skips = pe.dac.zero_skip == "bit_plane"
    arrays = tile_weights(weights_of(layer), pe, weights[1]) if skips else ()
    return Values(
        one_density=float(np.average(ones, weights=rows)),
        drive=_drive(digits, pe),
        level=usual if level is None else level,
        filled=_filled(layer, pe, weights[1]),
        live=_live(digits, arrays) if skips else 1.0,
        usual_drive=_drive(digit_shares(None, bits, resolution), pe),
        usual_level=usual,
        inputs=parts[0][1] is not None,
        weights=weights[0] is not None and level is not None,
    )


def _filled(layer: Stationary, pe: Roles, weight_bits: int) -> float:
    """Cells that hold weights, over those in the rows and columns that a layer uses."""
    if layer.groups == 1:  # one block fills the rows and columns that it uses
        return 1.0
    arrays = tile_weights(weights_of(layer), pe, weight_bits)
    held = sum(a.weights for a in arrays) * pe.array.columns_per_weight(weight_bits)
    return held / sum(a.rows * a.columns for a in arrays)


def _macro_values(
    layer: Stationary,
    pe: MacroRoles,
    weights: tuple[TensorStats | None, int],
    inputs: tuple[list[tuple[int, TensorStats | None]], int],
) -> Values:
    """Ones in the bits that a macro streams and stores; random bits without statistics."""
    macro, (parts, bits) = pe.array, inputs
    together = min(sum(count for count, _ in parts), macro.rows)
    streamed = macro.streamed_bits(bits)
    ones = [
        streamed_density(stats, bits, macro, streamed, together) if stats else 0.5
        for _, stats in parts
    ]
    density = float(np.average(ones, weights=[count for count, _ in parts]))
    stats, weight_bits = weights
    level = 0.5
    if stats is not None:
        level = stored_density(stats, weight_bits, macro, together)
    return Values(
        one_density=density,
        drive=density,
        level=level,
        filled=_filled(layer, pe, weight_bits),
        live=1.0,
        usual_drive=0.5,
        usual_level=0.5,
        inputs=parts[0][1] is not None,
        weights=stats is not None,
    )


def streamed_density(
    stats: TensorStats, bits: int, macro: BitSerialMacro, streamed: int, together: int
) -> float:
    """Share of ones among the bits that a macro streams of an input of `bits` bits.

    together: inputs that share an exponent. FP8 without FP8 statistics: random bits.
    """
    if not macro.aligned(bits):
        return float(np.mean(stats.one_density))
    return _aligned_or_random(stats, macro, streamed, together)


def stored_density(stats: TensorStats, bits: int, macro: BitSerialMacro, together: int) -> float:
    """Share of ones among the stored bits that are ANDed with inputs, signs of FP8 left out."""
    if macro.aligned(bits):
        return _aligned_or_random(stats, macro, WIDTH - 1, together)
    if bits > 8:  # the histogram no longer tells codes apart; the trace's own encoding stands in
        return float(np.mean(stats.one_density))
    return float(np.mean(one_density(stats.histogram, bits, "twos_complement")))


def _aligned_or_random(
    stats: TensorStats, macro: BitSerialMacro, width: int, together: int
) -> float:
    name = macro.format.removeprefix("fp8_")
    found = getattr(stats.fp8, name) if stats.fp8 else None
    return 0.5 if found is None else aligned_density(found, FORMATS[name].mantissa, width, together)


def aligned_density(stats: FormatStats, mantissa: int, width: int, together: int) -> float:
    """Share of ones in significands of `width` bits aligned to the largest of `together` exponents.

    Exponents are independent: one of n is e and the largest is m > e with probability
    p(e) (F(m)^(n-1) - F(m-1)^(n-1)), and e is itself the largest with p(e) F(e)^(n-1). A
    significand d steps below keeps its leading width - d bits: the hidden one (none in subnormals,
    whose exponent is that of field 1) and mantissa bits with their mean density among values that
    are not zero.
    """
    counts = np.array(stats.exponent_histogram, np.float64)
    shares = counts / counts.sum()
    upto = np.cumsum(shares) ** (together - 1)
    both = np.triu(shares[:, None] * np.diff(upto, prepend=0.0), 1) + np.diag(shares * upto)
    place = np.maximum(np.arange(len(counts)), 1)
    kept = np.clip(width - np.maximum(place - place[:, None], 0), 0, 1 + mantissa)  # leading bits
    densities = np.array(stats.mantissa_one_density[::-1]) / max(1 - stats.zero_share, 1e-12)
    ones = np.concatenate([[0.0, 1.0], 1 + np.cumsum(densities)])[kept]
    if shares[0]:
        ones[0] = (ones[0] - (kept[0] > 0)) * stats.subnormal_share / shares[0]
    return float((both * ones).sum()) / width


def digit_shares(stats: TensorStats | None, bits: int, resolution: int) -> Floats:
    """How often each digit of `resolution` bits occurs in each read: (reads, 2^resolution).

    Least significant digit first. Exact up to 8 bits; above, and for None, which stands for random
    codes, the bits of a digit are taken as independent.
    """
    reads, levels = ceil_div(bits, resolution), 1 << resolution
    if stats is not None and bits <= 8:
        codes, shares = code_shares(stats.histogram, bits)
        raw = pattern(codes, bits, stats.encoding)
        return np.array(
            [
                np.bincount(raw >> read * resolution & levels - 1, shares, minlength=levels)
                for read in range(reads)
            ]
        )
    ones = np.zeros(reads * resolution)  # bits beyond the code are never one
    ones[:bits] = 0.5 if stats is None else stats.one_density
    planes = ones.reshape(reads, 1, resolution)
    drawn = bit_of(np.arange(levels), resolution)
    independent: Floats = np.prod(np.where(drawn > 0, planes, 1 - planes), axis=2)
    return independent


def _drive(digits: Floats, pe: AnalogRoles) -> float:
    energies = [pe.dac.relative_energy(digit) for digit in range(digits.shape[1])]
    return float((digits @ np.array(energies)).mean())


def _live(digits: Floats, arrays: tuple[ArrayShare, ...]) -> float:
    """Share of conversions that follow a read with a pulse on at least one row of their array."""
    still = digits[:, 0, None] ** np.array([a.rows for a in arrays])
    return float(np.average(1 - still.mean(axis=0), weights=[a.columns for a in arrays]))


def slice_levels(densities: Floats, bits_per_cell: int) -> Floats:
    """Mean level, over the highest one, of the cells of each slice of a weight.

    densities: (..., bits) shares of ones, least significant bit first; gives (..., slices).
    """
    bits = densities.shape[-1]
    slices = ceil_div(bits, bits_per_cell)
    padded = np.zeros((*densities.shape[:-1], slices * bits_per_cell))
    padded[..., :bits] = densities
    places = 2.0 ** np.arange(bits_per_cell) / ((1 << bits_per_cell) - 1)
    levels: Floats = padded.reshape(*densities.shape[:-1], slices, bits_per_cell) @ places
    return levels


def column_levels(columns: ColumnStats, array: Crossbar) -> Floats:
    """Mean cell level of each array column: (entries of the statistics, columns per weight).

    With differential encoding the slices of the positive part come first.
    """
    densities = columns.densities(array.encoding)
    return np.hstack([slice_levels(planes, array.bits_per_cell) for planes in densities])


def mean_level(stats: TensorStats | None, bits: int, array: Crossbar) -> float | None:
    """Mean level of the cells of a weight matrix, over the highest one.

    None stands for random codes: every bit is one with probability 1/2 (with differential encoding
    every bit of the magnitude and the sign). Gives None if the statistics do not tell: above 8 bits
    they need `columns`.
    """
    if stats is not None and bits > 8:
        if stats.columns is None:
            return None
        levels = column_levels(stats.columns, array).mean(axis=1)
        return float(np.average(levels, weights=stats.columns.sizes()))
    if stats is not None:
        codes, shares = code_shares(stats.histogram, bits)
        densities = code_densities(codes, shares[None, :], bits, array.encoding)
    elif array.encoding == "offset":
        densities = [np.full((1, bits), 0.5)]
    else:
        densities = [np.append(np.full(bits - 1, 0.25), 0.0)[None, :]] * 2
    found = [slice_levels(planes, array.bits_per_cell).mean() for planes in densities]
    return float(np.mean(found))
