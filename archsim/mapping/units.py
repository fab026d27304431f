"""Which digital unit of a tile does what: the fastest that can, unless it has too much to do."""

from __future__ import annotations

import numpy as np

from archsim.arch.model import Architecture
from archsim.components.roles import DigitalUnit
from archsim.mapping.primitives import Primitives
from archsim.program import Ints

Unit = tuple[str, DigitalUnit]


def able(arch: Architecture, work: Primitives) -> list[Unit]:
    """The digital units of the tile that run all the primitives, the fastest first.

    Those that are as fast as each other stand in the order of the architecture.
    """
    if not work:
        return []
    found: list[Unit] = [
        (name, part)
        for name, part in arch.chip.tile.parts.items()
        if isinstance(part, DigitalUnit) and set(work) <= part.primitives
    ]
    return sorted(found, key=lambda unit: unit[1].compute(work).seconds) if found[1:] else found


def fastest(arch: Architecture, work: Primitives) -> Unit | None:
    """The fastest digital unit of the tile for these primitives, None if no unit runs them."""
    return next(iter(able(arch, work)), None)


class Loads:
    """Seconds per inference that the units of every tile have to do already.

    pace: seconds per inference that the mapping aims at; a unit that would need longer is passed
    over for one that is free sooner.
    """

    def __init__(self, arch: Architecture, tiles: int, pace: float):
        self.arch, self.pace = arch, pace
        self._tiles = tiles
        self._busy: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}

    def take(self, work: Primitives, tiles: Ints, times: float) -> Unit | None:
        """Give `times` pieces of work per inference to a unit of each of the tiles.

        tiles: with as many entries of a tile as pieces come to it at once.
        """
        units = able(self.arch, work)
        if not units:
            return None
        ends = [self._end(unit, work, tiles, times) for unit in units]
        chosen = next((i for i, end in enumerate(ends) if end <= self.pace), None)
        if chosen is None:
            chosen = min(range(len(units)), key=ends.__getitem__)
        self.add(units[chosen], work, tiles, times)
        return units[chosen]

    def add(self, unit: Unit, work: Primitives, tiles: Ints, times: float) -> None:
        """Note work of a unit that was chosen elsewhere."""
        np.add.at(self._of(unit), tiles, times * unit[1].compute(work).seconds)

    def _end(self, unit: Unit, work: Primitives, tiles: Ints, times: float) -> float:
        own = times * unit[1].compute(work).seconds
        most = int(np.bincount(tiles).max()) if len(tiles) else 0
        return float(self._of(unit)[tiles].max(initial=0.0)) + most * own

    def _of(self, unit: Unit) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return self._busy.setdefault(unit[0], np.zeros(self._tiles))
