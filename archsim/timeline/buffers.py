"""How full the buffer in front of each operation was, from finish times and credit edges."""

from __future__ import annotations

import numpy as np

from archsim.analysis.waiting import flow_operation
from archsim.engine.activity import Activity
from archsim.mapping.mapped import Mapped
from archsim.program import Ints
from archsim.timeline.model import Counter

POINTS = 256


def occupancy(mapped: Mapped, activity: Activity, points: int = POINTS) -> list[Counter]:
    """One counter per buffer: positions in it, the most in each of `points` stretches of the run.

    A position is in the buffer from the producer's finish of it until the consumer's finish of
    the instance that the credit edge names for it. Where a buffer holds the whole input there is no
    credit; a position then stays until the consumer is done.
    """
    program = mapped.program
    names = flow_operation(mapped)
    results = {info.flows[0]: info.flows[1] for info in mapped.operations}
    credits = {
        (int(program.edge_child[e]), int(program.edge_parent[e])): int(e)
        for e in range(len(program.edge_names))
        if program.edge_names[e].startswith("buffer of ")
    }
    producer_of = {second: first for first, second in results.items()}
    found = []
    for edge, name in enumerate(program.edge_names):
        if name != "data":
            continue
        parent, consumer = int(program.edge_parent[edge]), int(program.edge_child[edge])
        producer = producer_of[parent]
        credit = credits.get((producer, consumer), -1)
        made = activity.finish[parent]
        freed = np.maximum(_freed(mapped, activity, consumer, credit, len(made)), made)
        limit = f" of {_slots(program.edge_names[credit])}" if credit >= 0 else ""
        span = max(activity.makespan, 1)
        ticks, values = _most(made, freed, span, min(points, span))
        found.append(
            Counter(
                "buffers",
                f"{names[parent]} before {names[consumer]}: positions{limit}",
                "positions",
                ticks,
                values,
            )
        )
    return found


def _slots(name: str) -> int:
    return int(name.rsplit(" ", 1)[-1])


def _freed(mapped: Mapped, activity: Activity, consumer: int, credit: int, count: int) -> Ints:
    """When each of `count` positions leaves the buffer.

    By the credit edge of c slots, the producer's instance p + c may start once position p is free.
    """
    done = np.maximum.accumulate(activity.finish[consumer])
    if credit < 0:
        return np.full(count, done[-1], np.int64)
    program = mapped.program
    after = np.arange(count, dtype=np.int64) + _slots(program.edge_names[credit])
    need = np.minimum(program.needed(credit, after), len(done) - 1)
    return np.where(need >= 0, done[np.maximum(need, 0)], 0)


def _most(
    made: Ints, freed: Ints, makespan: int, points: int
) -> tuple[Ints, np.typing.NDArray[np.float64]]:
    """The largest number of positions in each of `points` equal stretches of time."""
    when = np.concatenate([made, freed])
    step = np.repeat([1, -1], len(made))
    order = np.lexsort((step, when))  # at one tick, space is freed before it is taken
    when, level = when[order], np.cumsum(step[order])
    edges = np.arange(points + 1, dtype=np.int64) * makespan // points
    at = np.searchsorted(when, edges, side="right")  # events up to and at each edge
    before = np.where(at > 0, level[np.maximum(at - 1, 0)], 0)
    values = before[:-1].astype(np.float64)
    for i in range(points):
        if at[i + 1] > at[i]:
            values[i] = max(values[i], level[at[i] : at[i + 1]].max())
    return edges, np.append(values, 0.0)
