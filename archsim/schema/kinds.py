"""Finds classes by the `kind` they are called by in YAML: one class in one file of a package."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TypeVar, get_args

from archsim.schema import Model

M = TypeVar("M", bound=Model)


@functools.cache
def classes_by_kind(package: str, base: type[M], tag: str = "kind") -> dict[str, type[M]]:
    """The subclasses of `base` in the modules of a package that have a field `tag`, by its value.

    A new kind is found by being there: no list names it.
    """
    found: dict[str, type[M]] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        members = vars(importlib.import_module(f"{package}.{module.name}"))
        for value in members.values():
            if isinstance(value, type) and issubclass(value, base) and tag in value.model_fields:
                (name,) = get_args(value.model_fields[tag].annotation)
                found[name] = value
    return dict(sorted(found.items()))
