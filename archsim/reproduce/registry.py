"""Finds every kind of measure: one class in one file of archsim.reproduce.measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from archsim.errors import InputError, Location, nearest
from archsim.reproduce.measure import Measure
from archsim.schema.kinds import classes_by_kind


def measures() -> dict[str, type[Measure]]:
    """Measure classes by kind."""
    return classes_by_kind("archsim.reproduce.measures", Measure)


def make_measure(arguments: Mapping[str, Any], where: Location | None = None) -> Measure:
    """A measure by its `kind`; InputError, at `where`, for an unknown kind or argument."""
    known, kind = measures(), arguments.get("kind")
    if kind not in known:
        raise InputError(f"there is no measure of kind '{kind}'.", where, nearest(str(kind), known))
    try:
        return known[kind].model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "arguments"
        fields = [name for name in known[kind].model_fields if name != "kind"]
        raise InputError(
            f"measure of kind '{kind}', {field}: {first['msg'].lower()}.",
            where,
            f"Its arguments: {', '.join(fields)}.",
        ) from None
