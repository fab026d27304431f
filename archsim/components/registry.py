"""Finds every component kind: one class in one file of this package, named by its `kind`."""

from __future__ import annotations

import functools
import importlib
import operator
import pkgutil
from typing import Annotated, Any, get_args

from pydantic import Field

import archsim.components
from archsim.components.base import Component


@functools.cache
def kinds() -> dict[str, type[Component]]:
    """Component classes by the name used in YAML."""
    found: dict[str, type[Component]] = {}
    for module in pkgutil.iter_modules(archsim.components.__path__):
        members = vars(importlib.import_module(f"archsim.components.{module.name}"))
        for value in members.values():
            if (
                isinstance(value, type)
                and issubclass(value, Component)
                and "kind" in (value.model_fields)
            ):
                (name,) = get_args(value.model_fields["kind"].annotation)
                found[name] = value
    return dict(sorted(found.items()))


def any_component() -> Any:
    """The pydantic type of 'any component', told apart by `kind`."""
    return Annotated[functools.reduce(operator.or_, kinds().values()), Field(discriminator="kind")]
