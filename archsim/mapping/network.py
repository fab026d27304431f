"""Paths over the mesh: XY routes, multicast trees, and the way between chips."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction

from archsim.arch.model import Architecture
from archsim.components.base import ceil_div
from archsim.components.mesh_router import MeshRouter
from archsim.components.offchip_link import OffchipLink
from archsim.errors import InputError
from archsim.mapping.graph import HOST
from archsim.mapping.spans import Span, Targets, union

# A link of the network: ("mesh", chip, from, to), ("up" | "down", tile), ("off", chip)
Link = tuple[str | int, ...]


class NoRoute(InputError):
    """Two places that nothing connects; says which component is missing."""


@dataclass(frozen=True)
class Tree:
    """Links in the order a message passes them; `parents[i]` is the link before link i, or -1.

    share: the part of the whole vector that each link carries. leaf: for each destination the
    link that reaches it (-1 for the source itself) and the part of the vector that it gets.
    """

    links: tuple[Link, ...]
    parents: tuple[int, ...]
    share: tuple[Fraction, ...]
    leaf: dict[int, tuple[int, Fraction]]


class Network:
    """The routers of all chips, in a near-square mesh with tiles in snake order.

    Tiles are numbered through all chips. A router at (x, y) of each chip's corner (0, 0) leads to
    the off-chip link.
    """

    def __init__(self, arch: Architecture, chips: int):
        self.tiles_per_chip = arch.chip.tile.count
        self.chips = chips
        router = arch.chip.find(MeshRouter)
        link = arch.chip.find(OffchipLink)
        self.router_name = router[0] if router else ""
        self.router: MeshRouter | None = router[1] if router else None
        self.link_name = link[0] if link else ""
        self.link: OffchipLink | None = link[1] if link else None
        shared = self.router.tiles if self.router else self.tiles_per_chip
        self.shared = shared
        self.routers = ceil_div(self.tiles_per_chip, shared)
        self.width = math.ceil(math.sqrt(self.routers))

    def router_of(self, tile: int) -> tuple[int, int]:
        """(chip, router) of a tile."""
        chip, local = divmod(tile, self.tiles_per_chip)
        return chip, local // self.shared

    def place(self, router: int) -> tuple[int, int]:
        """(x, y) of a router in its chip's mesh: row by row, every other row from the right."""
        y, x = divmod(router, self.width)
        return (x if y % 2 == 0 else self.width - 1 - x), y

    def at(self, x: int, y: int) -> int:
        """The router at (x, y)."""
        return y * self.width + (x if y % 2 == 0 else self.width - 1 - x)

    @functools.cache  # noqa: B019 - a Network lives as long as one mapping
    def tree(self, source: int, targets: Targets) -> Tree:
        """The links that carry a message from one tile to several; HOST is the outside world.

        XY order: along the row first. A link carries each channel once, however many need it.
        """
        links: dict[Link, int] = {}
        parents: list[int] = []
        carried: list[set[Span]] = []
        ends: dict[int, tuple[int, set[Span]]] = {}
        for target, span in sorted(targets, key=lambda t: (t[0], t[1].low, t[1].high)):
            at = -1
            for link in self._route(source, target) if target != source else []:
                if link not in links:
                    links[link] = len(links)
                    parents.append(at)
                    carried.append(set())
                at = links[link]
                carried[at].add(span)
            ends.setdefault(target, (at, set()))[1].add(span)
        return Tree(
            links=tuple(links),
            parents=tuple(parents),
            share=tuple(union(frozenset(spans)) for spans in carried),
            leaf={target: (at, union(frozenset(spans))) for target, (at, spans) in ends.items()},
        )

    def _route(self, source: int, target: int) -> list[Link]:
        if source == HOST:
            chip, router = self.router_of(target)
            return [*self._off(chip), *self._mesh(chip, 0, router), *self._down(target)]
        chip, router = self.router_of(source)
        if target == HOST:
            return [*self._up(source), *self._mesh(chip, router, 0), *self._off(chip)]
        there, goal = self.router_of(target)
        if there == chip:
            return [*self._up(source), *self._mesh(chip, router, goal), *self._down(target)]
        return [
            *self._up(source),
            *self._mesh(chip, router, 0),
            *self._off(chip),
            *self._off(there),
            *self._mesh(there, 0, goal),
            *self._down(target),
        ]

    def _up(self, tile: int) -> list[Link]:
        return [("up", tile)] if self.router else []

    def _down(self, tile: int) -> list[Link]:
        return [("down", tile)] if self.router else []

    def _off(self, chip: int) -> list[Link]:
        if self.link is None:
            if self.chips > 1:
                raise NoRoute("several chips need a component of kind: offchip_link in the chip.")
            return []  # the host writes and reads the buffer directly
        return [("off", chip)]

    def _mesh(self, chip: int, start: int, goal: int) -> list[Link]:
        if self.router is None:
            if self.tiles_per_chip > 1:
                raise NoRoute("several tiles need a component of kind: mesh_router in the chip.")
            return []
        links: list[Link] = []
        (x, y), (to_x, to_y) = self.place(start), self.place(goal)
        at = start
        while (x, y) != (to_x, to_y):
            if x != to_x:
                x += 1 if to_x > x else -1
            else:
                y += 1 if to_y > y else -1
            following = self.at(x, y)
            if following >= self.routers:  # the last row may be short: go by column first
                return self._column_first(chip, start, goal)
            links.append(("mesh", chip, at, following))
            at = following
        return links

    def _column_first(self, chip: int, start: int, goal: int) -> list[Link]:
        links: list[Link] = []
        (x, y), (to_x, to_y) = self.place(start), self.place(goal)
        at = start
        while (x, y) != (to_x, to_y):
            if y != to_y:
                y += 1 if to_y > y else -1
            else:
                x += 1 if to_x > x else -1
            links.append(("mesh", chip, at, self.at(x, y)))
            at = self.at(x, y)
        return links
