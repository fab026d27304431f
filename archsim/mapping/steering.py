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
    return _sharing(plan, consumer, producer)[0]


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
    lanes = plan.lanes[consumer]
    every, columns = _sharing(plan, consumer, producer)
    if every == 1 or count % every:
        return lanes
    if columns is None:
        return [lanes[variant % len(lanes)]]
    return [lanes[n] for n in columns.lanes_of(variant)]


def _sharing(plan: Plan, consumer: int, producer: int) -> tuple[int, Columns | None]:
    """The period of a consumer's lanes, and their columns if it is those that they share."""
    into, source = plan.operations[consumer], plan.operations[producer]
    lanes = len(plan.lanes[consumer])
    feeds = (f for f in into.feeds if f.producer == producer)
    if into.positions == source.positions and all(f.one_to_one for f in feeds):
        return lanes, None
    columns = columns_of(into, lanes, source.shape)
    return (columns.every if columns else 1), columns
