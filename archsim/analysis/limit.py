"""The lower bounds of a run's model and chips, as its Result states them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.mapping.mapped import Mapped
    from archsim.mapping.placement import Placement
    from archsim.result import Limit
    from archsim.trace.model import Trace


def limit_of(arch: Architecture, trace: Trace, mapped: Mapped, placement: Placement) -> Limit:
    """Whatever the mapping; placement: what stands elsewhere than in arrays."""
    from archsim.limits.limit import bounds
    from archsim.result import Limit

    found = bounds(
        arch,
        trace,
        chips=mapped.chips,
        placement=placement,
        resident=mapped.turns is None,
    )
    return Limit(
        latency_s=found.latency.seconds,
        latency_by=found.latency.by,
        interval_s=found.interval.seconds,
        interval_by=found.interval.by,
    )
