"""How a field of an architecture is written, in the unit that its type declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from archsim import units
from archsim.arch.model import Architecture

_UNITS = {
    "Hz": units.Frequency,
    "s": units.Duration,
    "W": units.Power,
    "J": units.Energy,
    "J/b": units.EnergyPerBit,
    "mm2": units.Area,
    "m": units.Length,
    "V": units.Voltage,
    "S": units.Conductance,
    "B": units.Capacity,
    "b/s": units.DataRate,
    "Sa/s": units.SampleRate,
    "b": units.Bits,
}
_TEXT: dict[str, Callable[[Any], str]] = {
    # Sizes and widths are in bits: sizes are known by their bytes, widths never get a prefix.
    "B": lambda bits: units.format_quantity(bits / 8, "B"),
    "b": lambda bits: f"{bits} b",
}


def unit_of(field: FieldInfo) -> str:
    """The unit that a field's type is read in; B for a size, empty for a plain number or word."""
    marks = [mark for mark in field.metadata if isinstance(mark, WithJsonSchema)]
    for unit, kind in _UNITS.items():
        if any(mark in kind.__metadata__ for mark in marks):  # type: ignore[attr-defined]
            return unit
    return ""


def field_text(model: BaseModel, name: str) -> str:
    """The value of a field for people, such as `1.2 GHz`, `64 KB` or `128 x 128`."""
    value = getattr(model, name)
    unit = unit_of(type(model).model_fields[name])
    if unit:
        text = _TEXT.get(unit, lambda number: units.format_quantity(number, unit))
        return text(value)
    if isinstance(value, tuple):
        return " x ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def text_at(arch: Architecture, path: str) -> str:
    """The value at a dotted path of an architecture, as `archsim.arch.sources` gives it."""
    owner, _, field = path.rpartition(".")
    parts = arch.parts()
    if owner in parts:
        return field_text(parts[owner][0], field)
    levels = arch.levels()
    if owner in levels:
        return field_text(levels[owner][0], field)
    return field_text(arch.precision if owner == "precision" else arch, field)
