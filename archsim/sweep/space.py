"""The values of each axis: a list as given, or a range with its unit."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.sweep.model import Range

MAX_VALUES = 10_000_000
_NUMBER = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(.*)\Z", re.S)


Settings = dict[str, Any]
Told = Mapping[str, Any] | None
"""What a generation is answered with, point by point: its figures, or None if it has none."""

Generations = Generator[list[Settings], Sequence[Told], None]


class BadAxis(ValueError):
    """An axis that has no values or whose ends do not fit; says which and what would be right."""


@dataclass(frozen=True)
class Axis:
    """One dimension of the space.

    values: the single values, or None for a range without steps, which goes from `low` to `high`
    (both included) in `unit`, on a logarithmic scale if `log`, whole numbers only if `integer`.
    """

    name: str
    values: tuple[Any, ...] | None
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    log: bool = False
    integer: bool = False

    def at(self, share: float) -> Any:
        """The value at a share in [0, 1) of the axis."""
        if self.values is not None:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        if self.integer and not self.log:
            return self.spelled(self.low + math.floor(share * (self.high - self.low + 1)))
        return self.spelled(_between(self.low, self.high, share, self.log))

    def spelled(self, number: float) -> Any:
        """A number of a range as the file would spell it, in its unit."""
        number = float(f"{number:.12g}")  # 0.1 + 0.2 is meant to be 0.3
        if self.integer:
            number = min(max(round(number), math.ceil(self.low)), math.floor(self.high))
        elif number.is_integer() and self.unit:
            number = int(number)
        return f"{number} {self.unit}" if self.unit else number


def make_axis(name: str, given: list[Any] | Range) -> Axis:
    """An axis from the sweep file; BadAxis if it is empty or its ends do not fit."""
    if isinstance(given, list):
        if not given:
            raise BadAxis(f"the axis '{name}' is empty: give it at least one value.")
        for i, value in enumerate(given):
            if value in given[:i] and type(value) is type(given[given.index(value)]):
                raise BadAxis(f"the axis '{name}' has the value {value!r} twice: remove one.")
        return Axis(name, tuple(given))
    low, unit, whole_low = _end(name, given.start)
    high, other, whole_high = _end(name, given.stop)
    if unit != other:
        raise BadAxis(
            f"the ends of '{name}' have the units '{unit}' and '{other}': write both in one unit."
        )
    if low > high:
        raise BadAxis(f"the axis '{name}' is empty: it goes from {low:g} down to {high:g}.")
    log = given.scale == "log"
    if log and low <= 0:
        raise BadAxis(f"the log range '{name}' starts at {low:g}: it must be more than 0.")
    integer = given.integer
    if integer is None:
        integer = whole_low and whole_high and not unit
        integer = integer and (given.step is None or given.step.is_integer())
    axis = Axis(name, None, low, high, unit, log, integer)
    numbers = _numbers(name, axis, given)
    if numbers is None:
        return axis
    return Axis(name, tuple(dict.fromkeys(axis.spelled(n) for n in numbers)))


def _numbers(name: str, axis: Axis, given: Range) -> list[float] | None:
    low, high = axis.low, axis.high
    if given.steps is not None:
        if given.steps > MAX_VALUES:
            raise BadAxis(f"the axis '{name}' has more than {MAX_VALUES:,} values.")
        last = max(given.steps - 1, 1)
        return [_between(low, high, i / last, axis.log) for i in range(given.steps)]
    if given.step is not None:
        count = (high - low) / given.step
        if count > MAX_VALUES:
            raise BadAxis(f"the axis '{name}' has more than {MAX_VALUES:,} values.")
        return [low + i * given.step for i in range(math.floor(count * (1 + 1e-12)) + 1)]
    return None


def _between(low: float, high: float, share: float, log: bool) -> float:
    return float(low * (high / low) ** share if log else low + (high - low) * share)


def _end(name: str, value: int | float | str) -> tuple[float, str, bool]:
    """(number, unit, whether it is written as a whole number) of one end of a range."""
    match = _NUMBER.match(str(value))
    if match is None or isinstance(value, bool):
        raise BadAxis(f"'{value}', an end of '{name}', is neither a number nor one with a unit.")
    digits, unit = match.groups()
    return float(digits), unit.strip(), re.fullmatch(r"[-+]?[0-9]+", digits) is not None
