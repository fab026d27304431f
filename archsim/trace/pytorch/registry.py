"""The rules by the names of ATen operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[..., None]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of these ATen operators, all overloads of each.

    A rule is called with the emitter, the node and the operator's arguments by the names that
    torch's own schema gives them (`self` is called `source`).
    """

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def name_of(operator: Any) -> str:
    """An operator's name without its namespace and overload; empty for what is none."""
    schema = getattr(operator, "_schema", None)
    return "" if schema is None else schema.name.removeprefix("aten::")
