"""Axes of a sweep that change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from archsim.arch.structure import effect
from archsim.errors import InputError
from archsim.sweep.inputs import Inputs
from archsim.sweep.names import Names
from archsim.sweep.points import INVALID, Planner
from archsim.sweep.space import Axis

TRIED = 6
"""Most values of an axis that are compared."""


def idle_axes(names: Names, planner: Planner, inputs: Inputs) -> list[str]:
    """A sentence for each axis over the chip whose values make no chip differ from another.

    Compared are chips that differ in this axis alone, the others at their first values; an axis
    that a constraint reads is not idle.
    """
    read = {name for constraint in names.constraints for name in constraint.names}
    return [
        f"the axis {name} changes no time, energy or area: no cost model and no derived value "
        "reads it."
        for name, axis in names.axes.items()
        if names.is_arch(name) and name not in read and _idle(name, axis, names, planner, inputs)
    ]


def _idle(name: str, axis: Axis, names: Names, planner: Planner, inputs: Inputs) -> bool:
    """Whether several values are valid and all alike."""
    rest = {other: next(_values(known)) for other, known in names.axes.items()}
    found: list[str] = []
    for value in _values(axis):
        point = planner.point(0, {**rest, name: value})
        if point.status == INVALID:
            continue
        try:
            found.append(effect(inputs.arch_with(point.arch)))
        except InputError:
            continue
        if len(set(found)) > 1:
            return False
    return len(found) > 1


def _values(axis: Axis) -> Iterator[object]:
    """Up to TRIED values from one end to the other."""
    if axis.values is not None and len(axis.values) <= TRIED:
        yield from axis.values
    else:
        yield from (axis.at(index / (TRIED - 1)) for index in range(TRIED))
