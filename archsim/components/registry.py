"""Finds every component kind: one class in one file of this package, named by its `kind`."""

from __future__ import annotations

import functools
import operator
from typing import Annotated, Any

from pydantic import Field

from archsim.components.base import Component
from archsim.components.roles import check_role
from archsim.schema.kinds import classes_by_kind


def kinds() -> dict[str, type[Component]]:
    """Component classes by the name used in YAML; TypeError for one that is unfit for its role."""
    found = classes_by_kind("archsim.components", Component)
    for kind in found.values():
        check_role(kind)
    return found


def any_component() -> Any:
    """The pydantic type of 'any component', told apart by `kind`."""
    return Annotated[functools.reduce(operator.or_, kinds().values()), Field(discriminator="kind")]
