"""Where on the chips a resource of a Program stands, from the place that the mapping gave it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.mapping.mapped import Mapped
from archsim.program import Ints

TILE, PE = "chip.tile.", "chip.tile.pe."


class Place(NamedTuple):
    """A place; what does not apply is -1. Tiles are numbered through all chips.

    start, end: the routers of a chip that a link of the mesh joins.
    """

    tile: int = -1
    pe: int = -1
    chip: int = -1
    start: int = -1
    end: int = -1


def place_of(entry: tuple[object, ...]) -> Place:
    """The place of an entry of `Mapped.resource_places`, such as ("chip.tile.pe.adc", 3, 5, 0).

    The keys behind the component's path are tile, PE and number for a part of a PE, the tile for a
    part of a tile, the kind of link and its ends for a part of the network.
    """
    part, keys = str(entry[0]), entry[1:]
    if part.startswith(PE) and len(keys) >= 2:
        return Place(tile=_int(keys[0]), pe=_int(keys[1]))
    if part.startswith(TILE) and keys:
        return Place(tile=_int(keys[0]))
    if len(keys) == 2 and keys[0] in ("up", "down"):
        return Place(tile=_int(keys[1]))
    if len(keys) == 2 and keys[0] == "off":
        return Place(chip=_int(keys[1]))
    if len(keys) == 4 and keys[0] == "mesh":
        return Place(chip=_int(keys[1]), start=_int(keys[2]), end=_int(keys[3]))
    return Place()


def tile_numbers(mapped: Mapped) -> Ints:
    """(R,) the tile of every resource, -1 for those of the chip or of a link between routers."""
    return np.array(
        [
            # tens of thousands of them, so without the detour over a Place
            entry[1] if len(entry) > 1 and str(entry[0]).startswith(TILE) else place_of(entry).tile
            for entry in mapped.resource_places
        ],
        np.int64,
    )


def _int(key: object) -> int:
    return key if isinstance(key, int) else -1
