"""Multi-objective search with Optuna, made to give the same points again after a kill.

The study is in memory and nothing of it is stored. Points are asked a generation at a time and
told in the order of asking, whatever the order in which they finished, so that the study depends on
the seed and the figures alone. To resume is to ask and tell again from the start, with the figures
that are in the results already: a trial that was running when the sweep was killed is asked again
with the same values.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from archsim.sweep.model import Search
from archsim.sweep.space import Axis, Generations, Told
from archsim.system.packages import need

UNMET = "unmet"
"""Figure that tells the search how many constraints a point that did run misses."""


def objective_names(objectives: Sequence[str]) -> list[tuple[str, bool]]:
    """(figure, whether more is better) of objectives such as `energy_j` and `max:tops`."""
    return [
        (text.removeprefix("max:").removeprefix("min:"), text.startswith("max:"))
        for text in objectives
    ]


def search(strategy: Search, axes: Mapping[str, Axis]) -> Generations:
    """Generations of settings; answered with figures, or None for points that have none."""
    optuna = need("optuna", f"a search of kind '{strategy.kind}'")
    objectives = objective_names(strategy.objectives)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            directions=["maximize" if more else "minimize" for _, more in objectives],
            sampler=_sampler(optuna, strategy),
        )
    space = {name: _distribution(optuna, axis) for name, axis in axes.items()}
    asked = 0
    while asked < strategy.samples:
        size = min(strategy.population, strategy.samples - asked)
        trials = [study.ask(space) for _ in range(size)]
        asked += size
        told = yield [
            {name: _value(axis, trial.params[name]) for name, axis in axes.items()}
            for trial in trials
        ]
        for trial, figures in zip(trials, told, strict=True):
            _tell(study, trial, figures, objectives, optuna)


def _tell(study: Any, trial: Any, told: Told, objectives: Any, optuna: Any) -> None:
    if told is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    trial.set_constraint(UNMET, told.get(UNMET, 0))
    study.tell(trial, [told[name] for name, _ in objectives])


def _sampler(optuna: Any, strategy: Search) -> Any:
    if strategy.kind == "tpe":
        return optuna.samplers.TPESampler(seed=strategy.seed, n_startup_trials=strategy.population)
    return optuna.samplers.NSGAIISampler(seed=strategy.seed, population_size=strategy.population)


def _distribution(optuna: Any, axis: Axis) -> Any:
    kinds = optuna.distributions
    if axis.values is not None:
        # By position, for a value may be a list, which Optuna does not take.
        return kinds.CategoricalDistribution(list(range(len(axis.values))))
    if axis.integer:
        return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)


def _value(axis: Axis, found: Any) -> Any:
    return axis.values[found] if axis.values is not None else axis.spelled(found)
