"""Finds every adaptation method: one class in one file of archsim.adaptation.methods."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

import archsim.adaptation.methods as package
from archsim.adaptation.method import Method
from archsim.errors import InputError, nearest


@functools.cache
def methods() -> dict[str, type[Method]]:
    """Method classes by kind, the name used on the command line and in YAML."""
    found: dict[str, type[Method]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        members = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        for value in members.values():
            if (
                isinstance(value, type)
                and issubclass(value, Method)
                and "kind" in value.model_fields
            ):
                (name,) = get_args(value.model_fields["kind"].annotation)
                found[name] = value
    return dict(sorted(found.items()))


def make_method(kind: str, parameters: Mapping[str, Any] | None = None) -> Method:
    """A method by its kind, with parameters other than the paper's; InputError if unknown."""
    known = methods()
    if kind not in known:
        raise InputError(
            f"there is no adaptation method '{kind}'.",
            fix=f"{nearest(kind, known)} Methods: {', '.join(known)}.",
        )
    try:
        return known[kind].model_validate({"kind": kind, **(parameters or {})})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "parameters"
        fields = [name for name in known[kind].model_fields if name != "kind"]
        raise InputError(
            f"method '{kind}', {field}: {first['msg'].lower()}.",
            fix=f"Its parameters: {', '.join(fields) or 'none'}.",
        ) from None
