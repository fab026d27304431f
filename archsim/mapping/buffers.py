"""How large the buffers between operations must be so that no run can deadlock.

Buffers are finite and give back-pressure. Where two paths from one operation meet again, a buffer
on the short path that is too small stops the operation that the long path still waits for. A run
cannot get stuck if one schedule fits into the buffers, because the dependencies are monotone. The
schedule here is: let an operation produce one position, run everything that this makes possible,
then let it produce the next. docs/mapping.md has the argument.
"""

from __future__ import annotations

import numpy as np

from archsim.mapping.graph import Operation
from archsim.trace.window import Positions, Reach

ROOT = -1  # what all inputs of the model come from


def least_buffers(ops: list[Operation]) -> dict[tuple[int, int], int]:
    """Positions that each input buffer must hold at least. Keys: (consumer, input number).

    An operation with one input takes its producer's positions as they come, so the span of its
    window is enough. An operation where paths meet must be able to store, for each input, what
    that producer emits while the others catch up: see `_meeting`.
    """
    dominators = immediate_dominators(ops)
    least: dict[tuple[int, int], int] = {}
    for operation in ops:
        if len(operation.feeds) == 1:
            feed = operation.feeds[0]
            span = int((feed.reach.last - feed.reach.first).max()) + 1
            least[operation.index, feed.which] = max(span, 1)
        elif operation.feeds:
            least.update(_meeting(ops, operation, dominators[operation.index]))
    return least


def immediate_dominators(ops: list[Operation]) -> list[int]:
    """For each operation the nearest one that every path to it passes (ROOT if there is none)."""
    dominators: list[int] = []
    depth = {ROOT: 0}
    for operation in ops:
        meeting = operation.feeds[0].producer if operation.feeds else ROOT
        for feed in operation.feeds[1:]:
            other = feed.producer
            while meeting != other:
                if depth[meeting] >= depth[other]:
                    meeting = dominators[meeting]
                else:
                    other = dominators[other]
        dominators.append(meeting)
        depth[operation.index] = depth[meeting] + 1
    return dominators


def _meeting(
    ops: list[Operation], operation: Operation, dominator: int
) -> dict[tuple[int, int], int]:
    """Buffers of an operation where paths from `dominator` meet.

    While its instance w has not run, the dominator has made at most as many positions as w needs,
    and each producer has emitted all positions that need no more than that; those from w's first
    needed one on are still in the buffer.
    """
    needed: dict[int, Positions] = {}
    own = _need_of(ops, operation.index, dominator, needed)
    return {
        (operation.index, feed.which): max(
            int(
                (
                    np.searchsorted(
                        _need_of(ops, feed.producer, dominator, needed), own, side="right"
                    )
                    - feed.reach.first
                ).max()
            ),
            1,
        )
        for feed in operation.feeds
    }


def _need_of(
    ops: list[Operation], index: int, dominator: int, known: dict[int, Positions]
) -> Positions:
    """How many positions of the dominator each position of an operation needs, in steps."""
    for at in _region(ops, index, dominator, known):
        operation = ops[at]
        if at == dominator:
            known[at] = np.arange(1, operation.positions + 1, dtype=np.int64)
        elif not operation.feeds:  # an input of the model: all of them advance together
            steps = max(o.positions for o in ops if not o.feeds)
            made = np.arange(1, operation.positions + 1, dtype=np.int64)
            known[at] = -(-made * steps // operation.positions)
        else:
            need = np.zeros(operation.positions, np.int64)
            for feed in operation.feeds:
                last = feed.reach.last
                behind = known[feed.producer][np.maximum(last, 0)]
                need = np.maximum(need, np.where(last >= 0, behind, 0))
            known[at] = np.maximum.accumulate(need)
    return known[index]


def _region(
    ops: list[Operation], index: int, dominator: int, known: dict[int, Positions]
) -> list[int]:
    """Operations from the dominator to `index`, both included, in order; known ones left out."""
    found, pending = set(), [index]
    while pending:
        at = pending.pop()
        if at in found or at in known:
            continue
        found.add(at)
        if at != dominator:
            pending += [feed.producer for feed in ops[at].feeds]
    return sorted(found)


def credit_table(reach: Reach, size_in: int, size_out: int, slots: int) -> Positions:
    """(size_in,) what a producer needs of its consumer when the buffer between has `slots` slots.

    Producer position m may start once the consumer has finished the returned instance: the first
    position that the consumer still needs is then above m - slots. Entries reach back into
    earlier inferences (negative).
    """
    first = np.concatenate([reach.first, [size_in]])
    oldest = np.arange(size_in, dtype=np.int64) - slots + 1
    rounds = oldest // size_in
    reached = np.searchsorted(first, oldest - rounds * size_in, side="left")
    return (rounds * size_out + reached - 1).astype(np.int64)
