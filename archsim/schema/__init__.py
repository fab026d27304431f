"""Bases of document models: what a user writes, and what archsim writes and reads again."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen pydantic model that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Record(BaseModel):
    """A frozen pydantic model of results, which archsim itself wrote.

    Its numbers have no range of their own; what reads one says so where they make no sense.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
