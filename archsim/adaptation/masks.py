"""Masks over crossbar columns: their memory, and what they leave to digitise."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.method import targets, weight_layers
from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.components.column_mask import ColumnMask
from archsim.errors import InputError
from archsim.mapping.placement import Placement
from archsim.mapping.tiling import PEShare, tile_shards, weights_of
from archsim.mapping.written import Rewrite, pes_written
from archsim.trace.model import Trace
from archsim.trace.operators import Layer


def column_masks(
    trace: Trace,
    arch: Architecture,
    modules: tuple[str, ...] | None,
    *,
    bits: int,
    kept: float = 1.0,
) -> Adapted:
    """Frozen weights behind a mask of `bits` per column of weights.

    modules: None masks every layer with weights. kept: share of the columns that are digitised.
    InputError if the chip has no mask unit, or one that is too narrow or has too few entries.
    """
    layers = mask_targets(trace, arch, modules, bits)
    entries = {layer.name: mask_columns(layer, trace, arch) for layer in layers}
    return Adapted(
        trace=trace,
        placement=Placement(kept=dict.fromkeys(entries, kept), masked=frozenset(entries)),
        switch=tuple(Rewrite(name, "mask", bits=count * bits) for name, count in entries.items()),
        trained=sum(entries.values()),
        stored_bits=sum(entries.values()) * bits,
        trainable=frozenset(entries),
    )


def mask_targets(
    trace: Trace, arch: Architecture, modules: tuple[str, ...] | None, bits: int
) -> list[Layer]:
    """The layers to mask; InputError if the chip's mask cannot hold `bits` for their columns."""
    layers = weight_layers(trace) if modules is None else targets(trace, modules)
    found = arch.chip.tile.pe.find(ColumnMask)
    fix = (
        "Give the PE a component of kind: column_mask wide enough, as "
        "arch_configs/rram_sram_hybrid.yaml does."
    )
    if found is None or found[1].bits < bits:
        have = f"a mask of {found[1].bits} bits per column" if found else "no column mask"
        raise InputError(f"{arch.name} has {have}; {bits} bits are needed.", fix=fix)
    for layer in layers:
        most = max(_columns([pe]) for pe in layer_pes(layer, trace, arch))
        if most > found[1].columns:
            raise InputError(
                f"the column mask of {arch.name} has {found[1].columns} entries in a PE; layer "
                f"'{layer.name}' fills {most} columns of weights there.",
                fix=fix,
            )
    return layers


def mask_columns(layer: Layer, trace: Trace, arch: Architecture) -> int:
    """Columns of weights that one copy of a layer takes: the entries of its mask.

    The bit slices of a weight share an entry, so these are (weights / rows of an array), rounded
    up where a layer does not fill its arrays.
    """
    return _columns(layer_pes(layer, trace, arch))


@dataclass(frozen=True)
class Divided:
    """A layer of which some PEs are programmed anew and the others masked.

    pes: all of one copy; weights: in those programmed; columns: entries of the others.
    """

    pes: int
    weights: int
    columns: int


def divide_pes(layer: Layer, trace: Trace, arch: Architecture, share: float) -> Divided:
    """Count what lies in the first `share` of a layer's PEs (those a Rewrite's `pes` writes)."""
    pes = layer_pes(layer, trace, arch)
    cut = pes_written(share, len(pes))
    weights = sum(array.weights for pe in pes[:cut] for array in pe.arrays)
    return Divided(len(pes), weights, _columns(pes[cut:]))


def layer_pes(layer: Layer, trace: Trace, arch: Architecture) -> list[PEShare]:
    """The PEs of one copy of a layer that is not cut into shards."""
    pe = roles(arch.chip.tile.pe)
    bits = layer.weight_bits or trace.precision.weight
    weights = weights_of(layer)  # type: ignore[arg-type]  # callers pass layers with weights
    return [pe_share for shard in tile_shards(weights, pe, bits) for pe_share in shard]


def _columns(pes: list[PEShare]) -> int:
    return sum(array.stored for pe in pes for array in pe.arrays)
