"""What the mapping asks of a component beside its costs: the roles that a kind can have.

The registry checks a kind when it finds it, and mypy where one is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from archsim.components.base import Component, Work

WITH_WEIGHTS = "weight_mac"
"""The primitive of a unit that holds weights of its own, which it then has to be able to write."""


@runtime_checkable
class DigitalUnit(Protocol):
    """A component that computes primitives (vector unit, activation unit, adder ...)."""

    @property
    def primitives(self) -> frozenset[str]:
        """Names of those that it runs."""

    def compute(self, primitives: Mapping[str, float]) -> Work:
        """Time and actions of that many primitives."""


@runtime_checkable
class Memory(Protocol):
    """A component with weights or masks of its own."""

    def write(self, bits: int) -> Work:
        """Time and actions of storing so many bits."""


@runtime_checkable
class WeightUnit(DigitalUnit, Memory, Protocol):
    """A digital unit that computes with weights that it holds."""


def check_role(kind: type[Component]) -> None:
    """TypeError, with the file, for a kind that has a part of a role only."""
    stated, compute = getattr(kind, "primitives", None), getattr(kind, "compute", None)
    if (stated is None) != (compute is None):
        has, lacks = ("primitives", "compute") if compute is None else ("compute", "primitives")
        raise _unfit(kind, f"has `{has}` and no `{lacks}`", "A digital unit has both")
    if stated is not None:
        if not isinstance(stated, frozenset) or not stated:
            raise _unfit(kind, f"has the primitives {stated!r}", "They are a frozenset of names")
        _check_method(kind, "compute", "primitives")
        if WITH_WEIGHTS in stated and getattr(kind, "write", None) is None:
            fix = f"A unit that runs `{WITH_WEIGHTS}` has `write(self, bits: int) -> Work`"
            raise _unfit(kind, "computes with weights that nothing writes", fix)
    if getattr(kind, "write", None) is not None:
        _check_method(kind, "write", "bits")


def _check_method(kind: type[Component], name: str, argument: str) -> None:
    taken = list(inspect.signature(getattr(kind, name)).parameters)
    if taken != ["self", argument]:
        found = f"has `{name}({', '.join(taken)})`"
        raise _unfit(kind, found, f"The mapping calls `{name}(self, {argument})`")


def _unfit(kind: type[Component], found: str, fix: str) -> TypeError:
    return TypeError(f"{kind.__module__}: the component kind {kind.__name__} {found}. {fix}.")
