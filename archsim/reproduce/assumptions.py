"""Putting assumed values where an experiment uses them, and halving and doubling them."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from archsim.errors import InputError, Location, nearest

Value = int | float | str
_QUANTITY = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)(\s+\S+)\s*")


def placed(
    data: Mapping[str, Any], path: str, value: Value | list[Any], where: Location | None
) -> None:
    """Write a value into nested data at a dotted path, in place.

    Everything but the last two keys of `change` parts must exist. InputError for a path that leads
    nowhere.
    """
    keys = path.split(".")
    node: Any = data
    inside_change = False
    for key in keys[:-1]:
        if not isinstance(node, dict):
            raise InputError(f"the path '{path}' leads into a single value.", where)
        if key not in node:
            if not inside_change and key != "change":
                raise InputError(
                    f"the path '{path}' leads nowhere: there is no '{key}'.",
                    where,
                    nearest(key, [str(known) for known in node]),
                )
            node[key] = {}
        inside_change = inside_change or key == "change"
        node = node[key]
    if not isinstance(node, dict):
        raise InputError(f"the path '{path}' leads into a single value.", where)
    node[keys[-1]] = value


def scaled(value: Value, factor: float) -> Value:
    """A value times a factor: whole numbers stay whole and at least 1, quantities keep their unit.

    InputError for text that is no quantity.
    """
    if isinstance(value, bool):
        raise InputError(f"'{value}' can't be halved or doubled.", None, "Give low and high.")
    if isinstance(value, int):
        return max(round(value * factor), 1)
    if isinstance(value, float):
        return value * factor
    found = _QUANTITY.fullmatch(value)
    if found is None:
        raise InputError(f"'{value}' can't be halved or doubled.", None, "Give low and high.")
    return f"{float(found.group(1)) * factor:.12g}{found.group(2)}"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mapping over mapping merges, a null deletes, all else replaces."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result
