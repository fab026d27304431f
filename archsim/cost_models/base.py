"""What every cost model has: a name, a technology of its own if wished, and a price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from archsim.cost_models.technology import OutOfRange, Technology
from archsim.schema import Model
from archsim.schema.ranges import Ratio
from archsim.schema.units import Length, Voltage

__all__ = ["CostModel", "MissingParameter", "OutOfRange", "Price", "Structure", "Technology"]


class MissingParameter(ValueError):
    """A parameter that neither the model is given nor the component has; its name is the text."""


@dataclass(frozen=True)
class Price:
    """What one instance of a component costs.

    energies: joules by action; static: watts drawn whatever it does; area: mm2; fields: other
    fields of the component in base units, such as those that its area is added up from.
    """

    energies: dict[str, float] = field(default_factory=dict)
    static: float = 0.0
    area: float | None = None
    fields: dict[str, float] = field(default_factory=dict)


Look = Callable[[str], Any]


@dataclass(frozen=True)
class Structure:
    """What a model knows of its component: fields in base units, then those of the PE's array."""

    lookups: tuple[Look, ...]

    def get(self, name: str) -> float | None:
        """The first value that is known and not 0."""
        for look in self.lookups:
            value = look(name)
            if value:
                return float(value)
        return None

    def need(self, name: str) -> float:
        """The same; MissingParameter if there is none."""
        value = self.get(name)
        if value is None:
            raise MissingParameter(name)
        return value


class CostModel(Model):
    """Prices a component from its structure. What a file types wins over what a model says.

    A parameter of the model that is left out is taken from the component's field of that name, or
    from the array of its PE. `node` and `supply` are the chip's unless given. `energy_scale`,
    `area_scale` and `delay_scale` fit the model to a measured chip; what they touch is `fitted`.
    """

    node: Annotated[Length, Field(description="process; the chip's unless given")] = 0.0
    supply: Annotated[Voltage, Field(description="the chip's unless given")] = 0.0
    energy_scale: Annotated[Ratio, Field(description="fitted to a measured chip")] = 1.0
    area_scale: Annotated[Ratio, Field(description="fitted to a measured chip")] = 1.0
    delay_scale: Annotated[Ratio, Field(description="fitted to a measured chip")] = 1.0

    source: ClassVar[str] = ""
    kinds: ClassVar[frozenset[str]] = frozenset()
    """Kinds of components whose actions the model prices."""
    fills: ClassVar[frozenset[str]] = frozenset()
    """Fields that shape time and may be left to the model."""

    def at(self, chip: Technology) -> Technology:
        """The technology that the component is made in; OutOfRange."""
        if not self.node and not self.supply:
            return chip
        supply = self.supply or (chip.supply if not self.node else 0.0)
        return Technology(self.node or chip.node, supply)

    def price(self, part: Structure, at: Technology) -> Price:
        """The price, scales left out; MissingParameter, OutOfRange."""
        raise NotImplementedError

    def scaled(self, part: Structure, chip: Technology) -> Price:
        """The price with the scales applied."""
        own = Structure((lambda name: getattr(self, name, None), *part.lookups))
        plain = self.price(own, self.at(chip))
        energies = {name: joules * self.energy_scale for name, joules in plain.energies.items()}
        area = None if plain.area is None else plain.area * self.area_scale
        fields = {name: value * self.scale_of(name) for name, value in plain.fields.items()}
        return Price(energies, plain.static, area, fields)

    def scale_of(self, name: str) -> float:
        """The scale that applies to a field of the component."""
        if name in ("clock", "rate"):
            return 1 / self.delay_scale
        if name == "read_time":
            return self.delay_scale
        if name.endswith("area"):
            return self.area_scale
        return self.energy_scale if name.endswith("energy") or name == "power" else 1.0


def within(name: str, value: float, low: float, high: float, unit: str = "") -> float:
    """The value; OutOfRange if it is beyond what a formula was made from."""
    if not low <= value <= high:
        raise OutOfRange(f"{name} of {value:g}{unit} is outside {low:g} to {high:g}{unit}")
    return value
