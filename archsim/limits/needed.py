"""How many positions of an operation any consumer on the chip needs at all."""

from __future__ import annotations

from archsim.mapping.graph import HOST, Feed, Operation
from archsim.trace.convolution import Windowed
from archsim.trace.movement import Fold, Move


def positions_needed(operation: Operation, ops: list[Operation]) -> int:
    """At least so many positions of its result must come into some buffer.

    A window with a stride above its kernel leaves positions out, and so may a slice; every other
    operator works on all of its input.
    """
    most = 0
    for consumer in set(operation.consumers) - {HOST}:
        for feed in ops[consumer].feeds:
            if feed.producer == operation.index:
                most = max(most, _needed(operation, ops[consumer], feed))
    return most


def _needed(producer: Operation, consumer: Operation, feed: Feed) -> int:
    layer = consumer.layer
    if isinstance(layer, Windowed) and len(producer.shape) == 3 and len(consumer.shape) == 3:
        reached = 1
        for axis in (0, 1):
            taps = {
                out * layer.stride[axis] - layer.padding[axis] + tap * layer.dilation[axis]
                for out in range(consumer.shape[axis])
                for tap in range(layer.kernel[axis])
            }
            reached *= sum(0 <= tap < producer.shape[axis] for tap in taps)
        return reached
    if isinstance(layer, Move | Fold | Windowed) and not feed.one_to_one:
        return 0
    return producer.positions
