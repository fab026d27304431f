"""Finds every kind of measure: one class in one file of archsim.reproduce.measures."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

import archsim.reproduce.measures as package
from archsim.errors import InputError, Location, nearest
from archsim.reproduce.measure import Measure


@functools.cache
def measures() -> dict[str, type[Measure]]:
    """Measure classes by kind."""
    found: dict[str, type[Measure]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        members = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        for value in members.values():
            if (
                isinstance(value, type)
                and issubclass(value, Measure)
                and "kind" in value.model_fields
            ):
                (name,) = get_args(value.model_fields["kind"].annotation)
                found[name] = value
    return dict(sorted(found.items()))


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
