"""What every component kind has: count, power, area, sources, and the work it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from archsim.components.values import Values
from archsim.cost_models.base import CostModel
from archsim.cost_models.registry import any_model, models
from archsim.schema import Model
from archsim.schema.declared_units import unit_of
from archsim.schema.ranges import Share
from archsim.schema.units import Area, Count, Power

ASSUMPTION = "assumption"
COSTS = frozenset({"W", "J", "J/b", "mm2"})
"""Units of what a cost model says of a component; a rate or a clock too if it fills them."""

if TYPE_CHECKING:
    AnyModel = CostModel
else:
    AnyModel = any_model()


@dataclass(frozen=True)
class Work:
    """What one stage asks of a component.

    Takes `cycles` periods of `period` seconds on one of `servers` alike parts of the component and
    counts `actions` (name: amount).
    """

    cycles: int
    period: float
    actions: Mapping[str, float]
    servers: int = 1

    @property
    def seconds(self) -> float:
        return self.cycles * self.period


class Component(Model):
    """One kind of hardware block. `power` and `area` are those of one instance.

    `power` is drawn at full activity; `static_share` of it is drawn all the time (leakage and
    clocks), the rest by actions: energy per action = dynamic power x time of an action, unless
    the kind states energies of its own.
    """

    count: Annotated[Count, Field(description="instances in each unit of the level above")] = 1
    power: Annotated[Power, Field(description="of one instance at full activity")] = 0.0
    static_share: Annotated[Share, Field(description="part of power drawn all the time")] = 0.0
    area: Annotated[Area, Field(description="of one instance")] = 0.0
    source: Annotated[
        str, Field(description="where the numbers come from; 'assumption' if nowhere")
    ] = ASSUMPTION
    sources: Annotated[
        dict[str, str], Field(description="sources of single fields, where they differ")
    ] = {}

    cost: Annotated[
        AnyModel | None, Field(description="model of all costs that are not typed here")
    ] = None

    _filled: frozenset[str] = PrivateAttr(frozenset())  # by the cost model

    title: ClassVar[str] = ""  # plural heading in breakdowns
    costing_only: ClassVar[frozenset[str]] = frozenset(
        {"static_share", "source", "sources", "cost"}
    )
    """Fields besides energies, powers and areas that no Program depends on."""
    descriptive: ClassVar[frozenset[str]] = frozenset({"source", "sources", "cost"})
    """Fields that no figure depends on, unless a cost model or a formula reads them."""

    @model_validator(mode="wrap")
    @classmethod
    def _left_to_model(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """With a cost model, costs may be left out: they stand at a placeholder until priced."""
        if not isinstance(data, dict) or not isinstance(data.get("cost"), dict):
            return handler(data)
        blanks = {
            name: blank
            for name, blank in _blanks(cls).items()
            if name not in data and (blank.endswith(_COST_ENDS) or _fills(data["cost"], name))
        }
        part = handler({**data, **blanks})
        part.model_fields_set.difference_update(blanks)
        return part

    def refresh(self) -> None:
        """Work out what follows from other fields, after a cost model has filled some in."""

    @property
    def dynamic_power(self) -> float:
        """Watts drawn by actions at full activity."""
        return self.power * (1 - self.static_share)

    @property
    def static_power(self) -> float:
        """Watts of one instance, whatever it does."""
        return self.power * self.static_share

    def energies(self) -> dict[str, float]:
        """Joules per action."""
        return {}

    def value_factor(self, action: str, values: Values) -> float:
        """What the energy of an action is multiplied by for a layer with these values."""
        return 1.0

    def periods(self) -> list[float]:
        """Seconds of every clock or pulse that service times are multiples of."""
        return []


def ceil_div(amount: int, size: int) -> int:
    """Pieces of `size` that hold `amount`."""
    return -(-amount // size)


_COST_ENDS = tuple(f" {unit}" for unit in COSTS)


def _fills(cost: dict[str, Any], field: str) -> bool:
    known = models().get(str(cost.get("model")))
    return known is not None and field in known.fills


def _blanks(kind: type[Component]) -> dict[str, str]:
    """Placeholders of the fields that a kind requires and a model may fill."""
    return {
        name: f"{'0' if unit in COSTS else '1'} {unit}"
        for name, field in kind.model_fields.items()
        if field.is_required() and (unit := unit_of(field)) in {*COSTS, "Hz", "Sa/s", "s"}
    }
