"""Who needs which part of a result: lanes by position, shards by channel."""

from __future__ import annotations

import math

from archsim.mapping.floor import Lane
from archsim.mapping.graph import HOST, Operation
from archsim.mapping.network import Span, Targets, overlap
from archsim.mapping.plan import Plan

MOST_VARIANTS = 256  # lanes of a result flow; beyond it every lane gets every position


def steered(plan: Plan, consumer: int, producer: int) -> bool:
    """True if each lane of the consumer gets only the positions that it works on."""
    feeds = [f for f in plan.operations[consumer].feeds if f.producer == producer]
    same = plan.operations[consumer].positions == plan.operations[producer].positions
    return same and all(f.one_to_one for f in feeds) and len(plan.lanes[consumer]) > 1


def variants(plan: Plan, operation: Operation) -> int:
    """Ways that results leave: the least common multiple of own lanes and steered consumers'."""
    count = plan.needs[operation.index].lanes
    for consumer in operation.consumers:
        if consumer != HOST and steered(plan, consumer, operation.index):
            together = math.lcm(count, len(plan.lanes[consumer]))
            count = together if together <= MOST_VARIANTS else count
    return count


def targets(plan: Plan, operation: Operation, variant: int, count: int, span: Span) -> Targets:
    """Tiles that need the channels in `span` of the positions n = variant (mod count)."""
    found: set[tuple[int, Span]] = set()
    if operation.recurrent:  # its next step reads what it made
        found |= {(part.tile, span) for part in plan.lanes[operation.index][0].parts}
    for consumer in operation.consumers:
        if consumer == HOST:
            found.add((HOST, span))
            continue
        for lane in _lanes_of(plan, consumer, operation.index, variant, count):
            for part in lane.parts:
                shared = overlap(span, part.slice.span)
                if shared is not None:
                    found.add((part.tile, shared))
    return frozenset(found)


def _lanes_of(plan: Plan, consumer: int, producer: int, variant: int, count: int) -> list[Lane]:
    lanes = plan.lanes[consumer]
    if steered(plan, consumer, producer) and count % len(lanes) == 0:
        return [lanes[variant % len(lanes)]]
    return lanes
