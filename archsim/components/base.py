"""What every component kind has: count, power, area, sources, and the work it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from archsim.components.values import Values
from archsim.schema import Model
from archsim.schema.units import Area, Count, Power

Share = Annotated[float, Field(ge=0, le=1)]
ASSUMPTION = "assumption"


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

    title: ClassVar[str] = ""  # plural heading in breakdowns
    costing_only: ClassVar[frozenset[str]] = frozenset({"static_share", "source", "sources"})
    """Fields besides energies, powers and areas that no Program depends on."""

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
