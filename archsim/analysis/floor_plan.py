"""How busy each tile and each link of the mesh was, by its place on the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsim.analysis.place import place_of, tile_numbers
from archsim.mapping.network import Network
from archsim.result import FloorPlan

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.engine.activity import Activity
    from archsim.mapping.mapped import Mapped

DIGITS = 5  # of a share; keeps a result of many chips small


def floor_plan(arch: Architecture, mapped: Mapped, activity: Activity) -> FloorPlan:
    """Busy shares of the run by tile and by link; a resource of several servers counts their mean.

    The share of a tile's arrays is over all arrays that the tile has, used or not.
    """
    network = Network(arch, mapped.chips)
    total = mapped.chips * network.tiles_per_chip
    span = max(activity.makespan, 1)
    share = activity.busy / (mapped.program.resource_servers * span)
    tile_of = tile_numbers(mapped)
    is_array = np.zeros(len(tile_of), bool)
    is_array[[resource for info in mapped.operations for resource in info.arrays]] = True

    arrays = np.zeros(total)
    np.add.at(arrays, tile_of[is_array & (tile_of >= 0)], share[is_array & (tile_of >= 0)])
    arrays /= max(mapped.arrays_total / total, 1)
    order = np.argsort(share, kind="stable")
    order = order[tile_of[order] >= 0]
    busiest, part = [0.0] * total, [""] * total
    largest = dict(zip(tile_of[order].tolist(), order.tolist(), strict=True))
    for tile, resource in largest.items():
        busiest[tile], part[tile] = float(share[resource]), mapped.part(resource)

    others = [(place_of(mapped.resource_places[i]), i) for i in np.flatnonzero(tile_of < 0)]
    routers = [network.router_of(tile) for tile in range(total)]
    spots = [network.place(router) for _, router in routers]
    return FloorPlan(
        width=network.width,
        height=-(-network.routers // network.width),
        tiles_per_router=network.shared,
        chip=[chip for chip, _ in routers],
        x=[x for x, _ in spots],
        y=[y for _, y in spots],
        arrays=[round(float(value), DIGITS) for value in arrays],
        busiest=[round(value, DIGITS) for value in busiest],
        busiest_part=part,
        links=[
            (
                place.chip,
                *network.place(place.start),
                *network.place(place.end),
                round(float(share[i]), DIGITS),
            )
            for place, i in others
            if place.start >= 0
        ],
    )
