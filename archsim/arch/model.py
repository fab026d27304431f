"""The architecture: a tree chip > tile > PE, each level with its components. It knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, PrivateAttr

from archsim.components.base import ASSUMPTION, Component
from archsim.components.registry import any_component
from archsim.schema import Model
from archsim.schema.units import POSITIVE, Bits, Count, Frequency, Length, Voltage

ARCH_VERSION = 1
C = TypeVar("C", bound=Component)

if TYPE_CHECKING:
    AnyComponent = Component
else:
    AnyComponent = any_component()


class Level(Model):
    """A level of the tree: how many there are, and components under names of the user's choice."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, AnyComponent]

    count: Annotated[Count, Field(description="in each unit of the level above")] = 1
    source: str = ASSUMPTION

    @property
    def parts(self) -> dict[str, Component]:
        """Components of this level by name, in the order of the file."""
        return dict(self.__pydantic_extra__ or {})

    def find(self, kind: type[C], **fields: Any) -> tuple[str, C] | None:
        """The first component of a class whose fields have the given values, with its name."""
        for name, part in self.parts.items():
            if isinstance(part, kind) and all(getattr(part, k) == v for k, v in fields.items()):
                return name, part
        return None


class PE(Level):
    """A processing element: arrays and the converters around them (ISAAC's IMA)."""


class Tile(Level):
    """PEs around a buffer and a bus, with digital units."""

    pe: PE


class Chip(Level):
    """Tiles, the network between them and the way off the chip."""

    tile: Tile


@dataclass(frozen=True)
class Priced:
    """A field of a part for which its cost model has a value, in base units.

    typed: the value in the file, which wins; None if there is none. fitted: whether a scale of the
    model was fitted to a measured chip.
    """

    path: str
    field: str
    model: str
    value: float
    typed: float | None
    fitted: bool
    source: str

    @property
    def ratio(self) -> float:
        """The larger of typed value and model over the other; 1 if nothing is typed."""
        if not self.typed or not self.value:
            return 1.0
        return max(self.typed / self.value, self.value / self.typed)


class NativePrecision(Model):
    """The widths that the peak performance is stated for, and the widest that run."""

    weight: Bits
    input: Bits


class Architecture(Model):
    """A chip as described in YAML."""

    archsim_arch: Annotated[Literal[1], Field(description="format version")]
    name: str
    description: str = ""
    references: Annotated[
        dict[str, str], Field(description="short names that sources use, with the full citation")
    ] = {}
    source: Annotated[str, Field(description="of the numbers at this level")] = ASSUMPTION
    technology: Annotated[Length, POSITIVE, Field(description="node, e.g. 32 nm")]
    supply: Annotated[
        Voltage,
        Field(description="of parts with a cost model; the node's nominal one unless given"),
    ] = 0.0
    clock: Annotated[Frequency, POSITIVE, Field(description="what results count as one cycle")]
    precision: NativePrecision
    chip: Chip
    _priced: tuple[Priced, ...] = PrivateAttr(())

    @property
    def priced(self) -> tuple[Priced, ...]:
        """What the cost models of its parts say, typed numbers beside theirs."""
        return self._priced

    def levels(self) -> dict[str, tuple[Level, int]]:
        """Levels by dotted path, each with its number in one chip."""
        chip, tile = self.chip, self.chip.tile
        return {
            "chip": (chip, 1),
            "chip.tile": (tile, tile.count),
            "chip.tile.pe": (tile.pe, tile.count * tile.pe.count),
        }

    def parts(self) -> dict[str, tuple[Component, int]]:
        """Components by dotted path, each with its number in one chip."""
        return {
            f"{path}.{name}": (part, number * part.count)
            for path, (level, number) in self.levels().items()
            for name, part in level.parts.items()
        }
