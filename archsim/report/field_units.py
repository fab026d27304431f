"""How a field of an architecture is written, in the unit that its type declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from archsim.arch.model import Architecture
from archsim.schema import units
from archsim.schema.declared_units import unit_of

_TEXT: dict[str, Callable[[Any], str]] = {
    # Sizes and widths are in bits: sizes are known by their bytes, widths never get a prefix.
    "B": lambda bits: units.format_quantity(bits / 8, "B"),
    "b": lambda bits: f"{bits} b",
}


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
    whole = owner.removesuffix(".cost")
    if whole in parts:
        return field_text(parts[whole][0].cost, field)  # type: ignore[arg-type]
    levels = arch.levels()
    if owner in levels:
        return field_text(levels[owner][0], field)
    return field_text(arch.precision if owner == "precision" else arch, field)
