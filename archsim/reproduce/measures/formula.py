"""Arithmetic over other measures and stated numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from archsim.errors import InputError
from archsim.reproduce.measure import Measure, Workbench
from archsim.schema.expression import ExpressionError, parse_expression
from archsim.schema.ranges import Real


class Formula(Measure):
    """A ratio, a share, a sum: names stand for other measures, or for the numbers in `given`."""

    kind: Literal["formula"]
    expression: Annotated[str, Field(description="e.g. 1 - ours / theirs")]
    given: dict[str, Real] = {}

    @field_validator("expression")
    @classmethod
    def _readable(cls, text: str) -> str:
        parse_expression(text)
        return text

    def reads(self) -> frozenset[str]:
        return parse_expression(self.expression).names - set(self.given)

    def value(self, bench: Workbench) -> float:
        """The formula's value; InputError if it has none, as for a division by zero."""
        known = {**self.given, **{name: bench.value(name) for name in self.reads()}}
        try:
            return float(parse_expression(self.expression).value(known.__getitem__))
        except ExpressionError as fault:
            raise InputError(f"{fault}.") from None
