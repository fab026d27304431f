"""Finds every cost model: one class in one file of this package, named by its `model`."""

from __future__ import annotations

import functools
import operator
from typing import Annotated, Any

from pydantic import Field

from archsim.cost_models.base import CostModel
from archsim.schema.kinds import classes_by_kind


def models() -> dict[str, type[CostModel]]:
    """Model classes by the name used in YAML."""
    return classes_by_kind("archsim.cost_models", CostModel, tag="model")


def any_model() -> Any:
    """The pydantic type of 'any cost model', told apart by `model`."""
    return Annotated[
        functools.reduce(operator.or_, models().values()), Field(discriminator="model")
    ]
