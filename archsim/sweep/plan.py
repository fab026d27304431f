"""The points of a sweep, planned a generation at a time and checked before anything is made."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from archsim.errors import InputError, Location
from archsim.schema.expression import Expression, ExpressionError
from archsim.sweep import folder as folders
from archsim.sweep.idle_axes import idle_axes
from archsim.sweep.inputs import Inputs
from archsim.sweep.model import Search, Sweep
from archsim.sweep.names import Names
from archsim.sweep.points import INVALID, Planner, Point
from archsim.sweep.space import Told
from archsim.sweep.strategies import count, generations
from archsim.sweep.worker import unmet_before

PROBES = 256
"""Chips whose area and peak performance are worked out before a sweep starts."""


def load_plan(path: str | Path) -> Plan:
    """The plan of a sweep file; raises InputError for all that `run_sweep` would refuse."""
    sweep, document, inputs = folders.read(Path(path))
    return Plan(sweep, Names(sweep, document, inputs), inputs)


class Plan:
    """All points of a sweep, one generation after another; only a search has more than one.

    name, axes, inputs: of the sweep; points: of the present generation; total: of all;
    warnings: axes that change nothing; constraints: those that a simulation or a whole chip is
    needed for. Raises InputError if it is certain that no point can meet all constraints.
    """

    def __init__(self, sweep: Sweep, names: Names, inputs: Inputs) -> None:
        self.name, self.axes, self.inputs = sweep.name, list(names.axes), inputs
        self.total = count(sweep, names.axes)
        self.searching = isinstance(sweep.strategy, Search)
        self.constraints = [c for c in names.constraints if not names.is_setting(c)]
        self._planner = Planner(names, inputs)
        self.warnings = tuple(idle_axes(names, self._planner, inputs))
        self._steps = generations(sweep, names.axes)
        self.points: list[Point] = []
        self._take(next(self._steps))
        checked = _probes(names, self._planner) if self.searching else self.points
        _check_constraints(checked, names.location(("constraints",)), self.constraints, inputs)

    def advance(self, told: Sequence[Told]) -> bool:
        """Go to the next generation, given the figures of this one; False if it was the last."""
        try:
            settings = self._steps.send(told)
        except StopIteration:
            return False
        self._take(settings)
        return True

    def _take(self, settings: Sequence[dict[str, object]]) -> None:
        first = self.points[-1].index + 1 if self.points else 0
        self.points = [self._planner.point(first + i, each) for i, each in enumerate(settings)]


def _probes(names: Names, planner: Planner) -> list[Point]:
    """Random points by which a search is judged before it starts."""
    draw = random.Random(0)
    settings = (
        {name: axis.at(draw.random()) for name, axis in names.axes.items()} for _ in range(PROBES)
    )
    return [planner.point(i, each) for i, each in enumerate(settings)]


def _check_constraints(
    points: Sequence[Point], where: Location, chip: Sequence[Expression], inputs: Inputs
) -> None:
    valid = [point for point in points if point.status != INVALID]
    undecided = [point for point in valid if not point.status]
    if valid and not undecided:
        raise _contradiction([point.reason for point in valid], where)
    if not chip or len(undecided) > PROBES or len(undecided) < len(valid):
        return
    reasons = [_reason(inputs, point, chip) for point in undecided]
    if reasons and all(reasons):
        raise _contradiction([reason or "" for reason in reasons], where)


def _reason(inputs: Inputs, point: Point, constraints: Sequence[Expression]) -> str | None:
    try:
        return unmet_before(inputs, point, constraints)
    except (InputError, ExpressionError):
        return None


def _contradiction(reasons: Sequence[str], where: Location) -> InputError:
    missed = [set(reason.removeprefix("not met: ").split("; not met: ")) for reason in reasons]
    never = sorted(set.intersection(*missed))
    if never:
        what = f"no point of the sweep meets '{never[0]}'."
    else:
        every = ", ".join(f"'{text}'" for text in sorted(set.union(*missed)))
        what = f"no point of the sweep meets all constraints; these exclude each other: {every}."
    return InputError(what, where, "Loosen a constraint or widen an axis.")
