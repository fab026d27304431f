"""Who needs which part of a result: lanes by position, shards by channel."""

from __future__ import annotations

import math

from archsim.mapping.columns import Columns, columns_of
from archsim.mapping.floor import Lane
from archsim.mapping.graph import HOST, Operation
from archsim.mapping.plan import Plan
from archsim.mapping.spans import Span, Targets, overlap

MOST_VARIANTS = 256  # lanes of a result flow; beyond it every lane gets every position


def period(plan: Plan, consumer: int, producer: int) -> int:
    """After how many positions of the producer the same lanes of the consumer are next.

    1 where every lane gets every position.
    """
    if _one_to_one(plan, consumer, producer):
        return len(plan.lanes[consumer])
    columns = _columns(plan, consumer, producer)
    return columns.every if columns else 1


def variants(plan: Plan, operation: Operation) -> int:
    """Ways that results leave: the least common multiple of own lanes and consumers' periods."""
    count = plan.needs[operation.index].lanes
    for consumer in operation.consumers:
        if consumer != HOST:
            together = math.lcm(count, period(plan, consumer, operation.index))
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
    lanes, every = plan.lanes[consumer], period(plan, consumer, producer)
    if every == 1 or count % every:
        return lanes
    columns = _columns(plan, consumer, producer)
    if columns is None:
        return [lanes[variant % len(lanes)]]
    return [lanes[n] for n in columns.lanes_of(variant)]


def _one_to_one(plan: Plan, consumer: int, producer: int) -> bool:
    feeds = [f for f in plan.operations[consumer].feeds if f.producer == producer]
    same = plan.operations[consumer].positions == plan.operations[producer].positions
    return same and all(f.one_to_one for f in feeds)


def _columns(plan: Plan, consumer: int, producer: int) -> Columns | None:
    lanes, shape = len(plan.lanes[consumer]), plan.operations[producer].shape
    return columns_of(plan.operations[consumer], lanes, shape)
