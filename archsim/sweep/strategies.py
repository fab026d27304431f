"""Which points a sweep goes through: a grid, a sample, or a search generation by generation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from archsim.errors import InputError
from archsim.sweep.model import Sample, Search, Sweep
from archsim.sweep.space import Axis, Generations, Settings
from archsim.system.packages import need

MAX_POINTS = 10_000_000


def count(sweep: Sweep, axes: Mapping[str, Axis]) -> int:
    """Points of a whole sweep."""
    if isinstance(sweep.strategy, Sample | Search):
        return sweep.strategy.samples
    return math.prod(len(axis.values or ()) for axis in axes.values())


def generations(sweep: Sweep, axes: Mapping[str, Axis]) -> Generations:
    """Settings of all points: everything at once, or for a search one generation after another.

    Deterministic: the same sweep gives the same points in the same order, a search if it is
    answered the same figures.
    """
    if count(sweep, axes) > MAX_POINTS:
        raise InputError(
            f"the sweep has {count(sweep, axes):,} points, more than {MAX_POINTS:,}.",
            fix="Use fewer values, or a sample (strategy: {kind: sobol, samples: 10000}).",
        )
    strategy = sweep.strategy
    if isinstance(strategy, Search):
        from archsim.sweep.search import search

        return search(strategy, axes)
    return _at_once(_sample(strategy, axes) if isinstance(strategy, Sample) else _grid(axes))


def _at_once(settings: list[Settings]) -> Generations:
    yield settings


def _grid(axes: Mapping[str, Axis]) -> list[Settings]:
    """All combinations, the last axis changing fastest."""
    values = [axis.values or () for axis in axes.values()]
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*values)]


def _sample(strategy: Sample, axes: Mapping[str, Axis]) -> list[Settings]:
    dimensions, seed = len(axes), strategy.seed
    if strategy.kind == "random":
        import numpy as np

        shares = np.random.default_rng(seed).random((strategy.samples, dimensions))
    else:
        qmc = need("scipy.stats.qmc", f"a sample of kind '{strategy.kind}'")
        if strategy.kind == "lhs":
            shares = qmc.LatinHypercube(dimensions, rng=seed).random(strategy.samples)
        else:
            # Balanced only for a power of two, so the sample is the start of the next one.
            power = math.ceil(math.log2(strategy.samples))
            shares = qmc.Sobol(dimensions, rng=seed).random_base2(power)[: strategy.samples]
    return [
        {name: axis.at(float(share)) for (name, axis), share in zip(axes.items(), row, strict=True)}
        for row in shares
    ]
