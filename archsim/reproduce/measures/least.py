"""The least of a curve, such as the overhead at the best size of a group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.errors import InputError
from archsim.reproduce.curves import label
from archsim.reproduce.experiment import AxisValue
from archsim.reproduce.measure import Measure, Workbench


class Least(Measure):
    """The least value of a curve, or with `at` the value of that axis which gives it.

    where: axes held at one of their values; the least is over all others, so that with every axis
    held it is the value of one point. Of equal values the first counts; combinations that a chip
    or model cannot take are left out.
    """

    kind: Literal["least"]
    curve: Annotated[str, Field(description="one of the experiment's curves")]
    where: dict[str, AxisValue] = {}
    at: str | None = None

    def value(self, bench: Workbench) -> float:
        found: list[tuple[float, float]] = []
        fault: InputError | None = None
        measure = bench.curve(self.curve).measure
        for point, other in bench.points(self.curve, self.where):
            x = next((value for axis, value in point if axis.name == self.at), 0.0)
            assert isinstance(x, int | float)  # checked at load
            try:
                found.append((other.value(measure), float(x)))
            except InputError as unfit:
                fault = fault or unfit
        if not found:
            assert fault is not None  # a curve has at least one point
            raise InputError(fault.what, f"curve '{self.curve}', {_shown(self.where)}", fault.fix)
        least = min(found, key=lambda pair: pair[0])
        return least[0] if self.at is None else least[1]


def _shown(where: dict[str, AxisValue]) -> str:
    return ", ".join(f"{name} {label(value)}" for name, value in where.items()) or "everywhere"
