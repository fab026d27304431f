"""The lower bounds of a model on a chip: latency of an inference, and time per inference."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.limits.arrays import shared_arrays
from archsim.limits.chain import Chain, chain, instance_seconds
from archsim.limits.demand import Demand, capacities, demands, storage
from archsim.limits.units import shared_units
from archsim.mapping.clock import TOLERANCE
from archsim.mapping.graph import operations
from archsim.mapping.needs import needs_of
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Bound:
    """Seconds, and what makes it so: "conversions of layer2.0.conv1"."""

    seconds: float
    by: str


@dataclass(frozen=True)
class Bounds:
    """Of any mapping: latency of the first inference, and time per inference of a batch."""

    latency: Bound
    interval: Bound


def bounds(
    arch: Architecture,
    trace: Trace,
    *,
    chips: int = 1,
    placement: Placement = AS_USUAL,
    resident: bool = True,
) -> Bounds:
    """Lower bounds from the trace and `chips` chips; placement: what a method puts elsewhere.

    resident: all weights stay in arrays; else they take turns. An inference does the work of one
    interval, so its latency is bounded by that as well. Clocks are kept to TOLERANCE by the tick.
    """
    ops = operations(trace, placement.groups)
    needs = needs_of(arch, trace, ops, placement)
    asked = demands(arch, ops, needs, chips)
    capacity = capacities(arch, chips)
    found = [
        *_resources(asked, capacity),
        _bound(*shared_arrays(asked, storage(arch, chips), resident=resident)),
        _bound(*shared_units(arch, asked, chips * arch.chip.tile.count)),
    ]
    planes = storage(arch, chips) if resident else math.inf
    path = chain(arch, trace, asked, capacity, planes)
    work = max(found, key=lambda b: b.seconds)
    turns = [*_in_turn(arch, asked), *_generation(trace, path)]
    interval = max([work, *turns], key=lambda b: b.seconds)
    through = Bound(path.seconds, f"the chain of dependencies, most in {path.by}")
    latency = max(work, through, key=lambda b: b.seconds)
    return Bounds(_ticked(latency), _ticked(interval))


def _ticked(bound: Bound) -> Bound:
    return Bound(bound.seconds * (1 - TOLERANCE), bound.by)


def _bound(seconds: float, kind: str, name: str) -> Bound:
    return Bound(seconds, f"{kind} of {name}" if name else kind)


def _resources(asked: list[Demand], capacity: dict[str, float]) -> list[Bound]:
    """Each resource: all its servers do the work of an inference in an interval at least."""
    found = []
    for kind, servers in capacity.items():
        loads = [d.seconds.get(kind, 0.0) * d.operation.positions for d in asked]
        heaviest = max(range(len(loads)), key=loads.__getitem__)
        found.append(_bound(sum(loads) / servers, kind, asked[heaviest].operation.name))
    return found


def _in_turn(arch: Architecture, asked: list[Demand]) -> list[Bound]:
    """A recurrent layer begins an inference after the last step but one of the inference before.

    Instances of a flow are admitted in order, and each step waits for the result of the one before.
    """
    pe = roles(arch.chip.tile.pe)
    return [
        _bound(
            (d.operation.positions - 1) * instance_seconds(arch, pe, d),
            "steps",
            d.operation.name,
        )
        for d in asked
        if d.operation.recurrent
    ]


def _generation(trace: Trace, path: Chain) -> list[Bound]:
    """A request begins when the one before has its last token: a pass for each token of it."""
    if trace.generation is None:
        return []
    tokens = trace.generation.decode + 1
    return [Bound(tokens * path.step, f"{tokens} tokens, one after another")]
