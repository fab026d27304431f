"""How many copies of each array layer: as many as its slowest step can use, while PEs last.

ISAAC's replication (section IV), with every step of a copy counted and not the array reads alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from archsim.mapping.columns import lane_counts
from archsim.mapping.cost import Costs
from archsim.mapping.needs import Need

GAIN = 0.995  # more copies are worth their PEs if they leave at most this share of the time


@dataclass(frozen=True)
class Layer:
    """Numbers of copies that one layer may have, each faster than those before.

    size: PEs of a copy; seconds: per inference, of the slowest step.
    """

    index: int
    size: int
    lanes: tuple[int, ...]
    seconds: tuple[float, ...]

    def at(self, pace: float) -> int:
        """The first entry that is as fast as `pace`, or the last."""
        found = bisect_left([-s for s in self.seconds], -pace * (1 + 1e-9))
        return min(found, len(self.lanes) - 1)


def layers_of(costs: Costs, needs: list[Need], pes: int, most: int | None = None) -> list[Layer]:
    """What the array layers may choose from, on a chip with that many PEs.

    most: copies that a layer can use at all.
    """
    spare = pes - sum(len(n.pes) for n in needs)
    found = []
    for need in needs:
        if need.weights is None:
            continue
        index, size = need.operation.index, len(need.pes)
        lanes: list[int] = []
        seconds: list[float] = []
        for count in lane_counts(need.operation):
            if (lanes and (count - 1) * size > spare) or (most and count > most):
                break
            each = costs.slowest(index, count)
            if not lanes or each <= GAIN * seconds[-1]:
                lanes.append(count)
                seconds.append(each)
        found.append(Layer(index, size, tuple(lanes), tuple(seconds)))
    return found


def balanced(
    layers: list[Layer], pes: int, least: float, fixed: Mapping[int, int] | None = None
) -> tuple[dict[int, int], float]:
    """Copies by operation for the shortest pace that the PEs allow, but none below `least`.

    Every layer gets the fewest copies that keep the pace; PEs that are left go to the slowest
    layers, one after the other, as far as they are slower than `least`.
    """
    fixed = fixed or {}
    pes -= sum(la.size * fixed[la.index] for la in layers if la.index in fixed)
    layers = [la for la in layers if la.index not in fixed]
    paces = sorted({s for layer in layers for s in layer.seconds if s >= least} | {least})

    def taken(pace: float) -> int:
        return sum(la.size * la.lanes[la.at(pace)] for la in layers)

    low, high = 0, len(paces) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if taken(paces[middle]) <= pes else (middle + 1, high)
    pace = paces[low]
    chosen = {la.index: la.at(pace) for la in layers}
    left = pes - taken(pace)
    open_to_more = [la for la in layers if la.seconds[chosen[la.index]] > least]
    while open_to_more and left > 0:
        slowest = max(open_to_more, key=lambda la: (la.seconds[chosen[la.index]], -la.index))
        at = chosen[slowest.index]
        more = at + 1 < len(slowest.lanes)
        price = slowest.size * (slowest.lanes[at + 1] - slowest.lanes[at]) if more else left + 1
        if price > left or slowest.seconds[at] <= least:
            open_to_more.remove(slowest)
            continue
        chosen[slowest.index] = at + 1
        left -= price
    reached = max((la.seconds[chosen[la.index]] for la in layers), default=least)
    copies = {la.index: la.lanes[chosen[la.index]] for la in layers}
    return {**copies, **fixed}, max(reached, least)


def pes_of(layers: list[Layer], copies: Mapping[int, int]) -> int:
    """PEs that so many copies take."""
    return sum(la.size * copies[la.index] for la in layers)
