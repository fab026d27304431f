"""Low-rank adapters on a chip: in arrays, or on a unit of the tile that holds its own weights."""

from __future__ import annotations

from collections.abc import Iterable

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import changed_cells
from archsim.adaptation.method import ATTENTION, adapts, targets
from archsim.adaptation.roles import ADAPTER, is_adapter
from archsim.arch.model import Architecture
from archsim.components.base import Component
from archsim.errors import InputError
from archsim.learning.lora import lora_name, with_lora
from archsim.mapping.placement import Placement
from archsim.mapping.written import Rewrite
from archsim.trace.model import Trace
from archsim.trace.operators import Linear


def adapters(
    trace: Trace,
    arch: Architecture,
    rank: int,
    modules: tuple[str, ...] | None,
    *,
    usual: Iterable[str] = ATTENTION,
    unit: type[Component] | None = None,
    group: int = 1,
) -> Adapted:
    """A trained model with one adapter per target layer, rewritten for each task.

    usual: roles adapted unless modules are given. A trace that came with adapters keeps them, and
    gets no others unless modules are given. unit: kind of the tile's component that holds
    and computes A and B; None: they are in arrays. group: positions that the unit takes together.
    InputError for a rank above a matrix's size or a chip without such a unit.
    """
    names = own_adapters(trace) if modules is None else {}
    if names:
        adapted, said = trace, adapts(trace, dict.fromkeys(names.values()), own=True)
    else:
        layers = low_rank_targets(trace, rank, modules, usual)
        adapted = with_lora(trace, [layer.name for layer in layers], rank)
        for layer in layers:
            names[lora_name(layer.name, "lora_a")] = layer.name
            names[lora_name(layer.name, "lora_b")] = layer.name
        said = adapts(trace, [layer.name for layer in layers])
    parts = {layer.name: layer for layer in adapted.layers}
    weights = {name: parts[name].parameters() for name in names}
    width = trace.precision.weight
    placement = Placement()
    if unit is not None:
        placement = Placement(
            units=dict.fromkeys(weights, unit_name(arch, unit)),
            beside=names,
            groups=dict.fromkeys(weights, group),
        )
    return Adapted(
        trace=adapted,
        placement=placement,
        switch=tuple(
            Rewrite(name, changed=changed_cells(parts[name], arch))
            if unit is None
            else Rewrite(name, "unit", bits=count * width)
            for name, count in weights.items()
        ),
        trained=sum(weights.values()),
        stored_bits=sum(weights.values()) * width,
        trainable=frozenset(weights),
        adapts=said,
    )


def own_adapters(trace: Trace) -> dict[str, str]:
    """Layers of adapters that the trace came with, and the layer beside which each stands."""
    linear = {layer.name: layer for layer in trace.layers if isinstance(layer, Linear)}
    bases: dict[str, str] = {}
    for name in linear:
        if not is_adapter(name):
            bases[name.removesuffix(".base_layer")] = name
    found = {}
    for name in linear:
        stem = ADAPTER.split(name)[0] if is_adapter(name) else ""
        if stem in bases:
            found[name] = bases[stem]
    return found


def low_rank_targets(
    trace: Trace, rank: int, modules: tuple[str, ...] | None, usual: Iterable[str] = ATTENTION
) -> list[Linear]:
    """The layers that get adapters; InputError if a matrix is smaller than the rank."""
    found = targets(trace, modules, usual=usual, linear=True)
    layers = [layer for layer in found if isinstance(layer, Linear)]
    for layer in layers:
        smallest = min(layer.in_features, layer.out_features)
        if rank > smallest:
            raise InputError(
                f"an adapter of rank {rank} does not fit layer '{layer.name}', whose matrix is "
                f"{layer.in_features} x {layer.out_features}.",
                fix=f"Use a rank of at most {smallest}, or other modules.",
            )
    return layers


def unit_name(arch: Architecture, kind: type[Component]) -> str:
    """Name of the tile's component of a kind; InputError that says what to add."""
    found = arch.chip.tile.find(kind)
    if found is None:
        word = kind.model_fields["kind"].annotation.__args__[0]  # type: ignore[union-attr]
        raise InputError(
            f"{arch.name} has no {kind.title.removesuffix('es').removesuffix('s')} in its tile.",
            fix=f"Add a component of kind: {word}, as arch_configs/rram_sram_hybrid.yaml does.",
        )
    return found[0]
