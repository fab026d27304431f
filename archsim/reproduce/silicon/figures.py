"""The file of published figures of fabricated macros."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from archsim.documents import load_document, validate
from archsim.schema import Model
from archsim.schema.ranges import Ratio, Size

FILE = Path(__file__).resolve().parents[3] / "arch_configs" / "silicon" / "figures.yaml"
Name = Literal["clock", "throughput", "area", "efficiency"]
UNITS: dict[Name, str] = {
    "clock": "MHz",
    "throughput": "TOPS",
    "area": "mm2",
    "efficiency": "TOPS/W",
}


class OperatingPoint(Model):
    """Figures at another supply, such as 1.2 V."""

    supply: str
    published: dict[Name, Ratio]


class FabricatedChip(Model):
    """A chip's published figures, those of its file's supply first.

    parts: of components by path, power in mW and area in mm2 of `instances`, or of as many as the
    level above has; digital: priced from gates, with constants fitted to the other digital chips;
    typed: figures that follow from a time that its file types, at the first supply; uncounted:
    figures whose conditions the paper does not state, and why.
    """

    published: dict[Name, Ratio] = {}
    parts: dict[str, dict[Literal["power", "area"], Ratio]] = {}
    instances: dict[str, Size] = {}
    digital: bool = False
    typed: list[Name] = []
    uncounted: dict[Name, str] = {}
    points: list[OperatingPoint] = []


class Figures(Model):
    """All chips by the name of their file."""

    archsim_silicon: Literal[1]
    chips: dict[str, FabricatedChip]


def load_figures(path: Path = FILE) -> Figures:
    """Read the file; InputError."""
    return validate(Figures, load_document(path))
