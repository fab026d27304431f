"""Finds every adaptation method: one class in one file of archsim.adaptation.methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from archsim.adaptation.method import Method
from archsim.errors import InputError, nearest
from archsim.schema.kinds import classes_by_kind


def methods() -> dict[str, type[Method]]:
    """Method classes by kind, the name used on the command line and in YAML."""
    return classes_by_kind("archsim.adaptation.methods", Method)


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
