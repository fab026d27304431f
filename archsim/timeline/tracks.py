"""Which row of the timeline a server belongs to, in finer and coarser divisions of the chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.analysis.place import PE, TILE, Place, place_of
from archsim.program import Ints
from archsim.timeline.model import Track

Places = Sequence[tuple[object, ...]]
DIVISIONS = (
    "one server",
    "all instances of a component in a tile or PE",
    "all instances of a component in a tile",
    "all instances of a component in a chip",
)
FIRST_ORDER = 10  # rows of operations and counters come before those of the chips


@dataclass(frozen=True)
class Division:
    """of_server: (servers of all resources,) the track of each; tracks: what the numbers mean."""

    of_server: Ints
    tracks: list[Track]


def divide(servers: Ints, places: Places, tiles_per_chip: int, level: int) -> Division:
    """Tracks of the given level: 0 for single servers, 1 by PE or tile, 2 by tile, 3 by chip.

    servers, places: of each resource, as in Program and Mapped. Servers are numbered through all
    resources.
    """
    known: dict[Track, int] = {}
    numbers: list[int] = []
    found = [place_of(entry) for entry in places]
    tiles = max((place.tile for place in found), default=0) + 1
    chips = max([-(-tiles // tiles_per_chip), *(place.chip + 1 for place in found)])
    for entry, place, count in zip(places, found, servers.tolist(), strict=True):
        process, order = _process(place, tiles_per_chip, chips, level)
        row = _row(entry, place, level)
        for server in range(count):
            title = f"{row}.{server}" if level == 0 and count > 1 else row
            numbers.append(known.setdefault(Track(process, title, order), len(known)))
    return Division(np.asarray(numbers, np.int64), list(known))


def _process(place: Place, tiles_per_chip: int, chips: int, level: int) -> tuple[str, int]:
    """The group that a place belongs to; numbers have leading zeros, as viewers sort by name."""
    chip = place.tile // tiles_per_chip if place.tile >= 0 else max(place.chip, 0)
    before = f"chip {chip:0{len(str(chips - 1))}} " if chips > 1 else ""
    if place.tile < 0:
        return f"{before}network and memory", FIRST_ORDER + chip
    if level == 3:
        return f"{before}tiles", FIRST_ORDER + chips + chip
    digits = len(str(tiles_per_chip * chips - 1))
    return f"{before}tile {place.tile:0{digits}}", FIRST_ORDER + chips + place.tile


def _row(entry: tuple[object, ...], place: Place, level: int) -> str:
    part, *keys = entry
    component = str(part).rsplit(".", 1)[-1]
    if str(part).startswith(PE):
        if level >= 2:
            return f"PEs: {component}"
        number = "".join(f" {key}" for key in keys[2:]) if level == 0 else ""
        return f"PE {place.pe}: {component}{number}"
    if str(part).startswith(TILE) and place.tile >= 0:
        return component
    if level == 3:
        return component
    return " ".join([component, *(str(key) for key in keys)])  # each link is a group of its own
