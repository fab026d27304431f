"""The interval that digital units allow, whichever of them takes which operation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.arch.model import Architecture
from archsim.components.roles import DigitalUnit
from archsim.limits.demand import Demand
from archsim.mapping.primitives import Primitives

Seconds = NDArray[np.float64]
ROUNDS = 60
MANY = 1 << 20  # pieces of work at once, so that rounding up to cycles does not matter


def rate_seconds(unit: DigitalUnit, work: Primitives) -> float:
    """Seconds of unit time that no cut of the work goes below; set-up of calls left out.

    Shares take whole cycles each, so together they take at least what MANY times the work takes,
    over MANY, less the set-up and the one cycle by which that may be rounded up.
    """
    many = unit.compute({name: amount * MANY for name, amount in work.items()})
    none = unit.compute(dict.fromkeys(work, 0.0))
    return max(many.cycles - none.cycles - 1, 0) * many.period / MANY


def shared_units(arch: Architecture, demands: list[Demand], tiles: int) -> tuple[float, str, str]:
    """(seconds per inference, which unit, most of it in which operation).

    Work o takes t(o, u) on unit u, and each of it runs on some able unit. For any weights y of the
    units that add up to one, the busiest unit is busy at least sum over u of y(u) load(u), and
    that is at least the sum over o of the least y(u) t(o, u): so each y gives a bound, and linear
    programming's duality says that the best y is exact for work that can be divided. The search
    for y need not be exact for the bound to hold.
    """
    names = [n for n, part in arch.chip.tile.parts.items() if hasattr(part, "primitives")]
    rows: list[list[float]] = []
    owners: list[str] = []
    for demand in demands:
        grown = demand.need.growth
        share = grown.mean if grown is not None else 1.0
        for work, units in demand.units:
            if not units:
                continue
            rows.append(
                [
                    demand.operation.positions * share * rate_seconds(_unit(arch, name), work)
                    if name in units
                    else np.inf
                    for name in names
                ]
            )
            owners.append(demand.operation.name)
    if not rows:
        return 0.0, "digital units", ""
    times = np.array(rows)
    bound, loads = _dual(times)
    busiest = int(loads.argmax())
    own = times[:, busiest]
    heaviest = int(np.where(np.isfinite(own), own, -1.0).argmax())
    return bound / tiles, names[busiest], owners[heaviest]


def _unit(arch: Architecture, name: str) -> DigitalUnit:
    unit = arch.chip.tile.parts[name]
    assert isinstance(unit, DigitalUnit)  # `able` has found it
    return unit


def _dual(times: Seconds) -> tuple[float, Seconds]:
    """The best bound of some weights, found by multiplicative updates, and the loads behind it."""
    count = times.shape[1]
    weights: Seconds = np.full(count, 1 / count)
    best, best_loads = -1.0, weights
    rows = np.arange(len(times))
    for turn in range(ROUNDS):
        prices = times * weights
        choice = prices.argmin(axis=1)
        bound = float(prices[rows, choice].sum())
        loads: Seconds = np.bincount(choice, times[rows, choice], count).astype(np.float64)
        if bound > best:
            best, best_loads = bound, loads
        if loads.max() == 0:
            break
        weights = weights * (1 + loads / loads.max() * 2 / (1 + turn / 4))
        weights /= weights.sum()
    return best, best_loads
