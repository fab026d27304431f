"""Curves of an experiment: the combinations of their axes, and whether all of them can be made."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from archsim.errors import InputError, nearest
from archsim.reproduce.experiment import Axis, AxisValue, Curve

Placed = tuple[tuple[Axis, AxisValue], ...]  # a value of every axis, in the order of the axes


def combinations(curve: Curve, where: Mapping[str, AxisValue] | None = None) -> Iterator[Placed]:
    """Every combination of the axes' values, the last axis the fastest.

    where: axes, by name, that have one value only.
    """
    held = where or {}
    choices = [
        [(axis, value) for value in axis.values if held.get(axis.name, value) == value]
        for axis in curve.axes
    ]
    return itertools.product(*choices)


def label(value: AxisValue, unit: str = "") -> str:
    """A value of an axis as people read it: `256 ns`, `128 x 512`."""
    text = " x ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{text} {unit}".strip()


def check_where(curve: Curve, where: Mapping[str, AxisValue], at: str | None) -> None:
    """InputError unless `where` has axes of the curve at values of theirs, and `at` a free one."""
    names = [axis.name for axis in curve.axes]
    for name in [*where, *([] if at is None else [at])]:
        if name not in names:
            raise InputError(
                f"curve '{curve.name}' has no axis '{name}'.", None, nearest(name, names)
            )
    for name, value in where.items():
        axis = curve.axis(name)
        assert axis is not None  # checked above
        if value not in axis.values:
            known = ", ".join(label(one) for one in axis.values)
            raise InputError(
                f"axis '{name}' of curve '{curve.name}' has no value {label(value)}.",
                None,
                f"Its values: {known}.",
            )
    axis = None if at is None else curve.axis(at)
    if axis is None:
        return
    if at in where:
        raise InputError(f"axis '{at}' is held at one value.", None, "Name another in `at`.")
    if not all(isinstance(value, int | float) for value in axis.values):
        raise InputError(
            f"the values of axis '{at}' are no numbers.", None, "Name another in `at`."
        )


def shortened(data: dict[str, Any]) -> None:
    """Keep, in place, the ends of each axis and the values that measures ask for by `where`."""
    for curve in data.get("curves") or []:
        asked = [
            measure.get("where", {})
            for measure in data["measures"].values()
            if measure.get("curve") == curve["name"]
        ]
        for axis in curve["axes"]:
            values = axis["values"]
            kept = [values[0], values[-1], *(w[axis["name"]] for w in asked if axis["name"] in w)]
            axis["values"] = [value for value in values if value in kept]
