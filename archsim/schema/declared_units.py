"""The unit that the type of a model's field declares."""

from __future__ import annotations

from typing import Any

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from archsim.schema import units

_UNITS: tuple[tuple[str, Any], ...] = (
    ("Hz", units.Frequency),
    ("s", units.Duration),
    ("W", units.Power),
    ("J", units.Energy),
    ("J/b", units.EnergyPerBit),
    ("mm2", units.Area),
    ("m", units.Length),
    ("V", units.Voltage),
    ("S", units.Conductance),
    ("B", units.Capacity),
    ("b/s", units.DataRate),
    ("Sa/s", units.SampleRate),
    ("op/s", units.OperationRate),
    ("b", units.Bits),
    ("b", units.Width),
)


def unit_of(field: FieldInfo) -> str:
    """The unit that a field's type is read in; B for a size, empty for a plain number or word."""
    marks = [mark for mark in field.metadata if isinstance(mark, WithJsonSchema)]
    for unit, kind in _UNITS:
        if any(mark in kind.__metadata__ for mark in marks):
            return unit
    return ""
