"""The network: routes, multicast trees and the channels that each link carries."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_teaching import LINK, ROUTER, layers, linear, small_chip

from archsim.errors import InputError
from archsim.mapping.graph import HOST
from archsim.mapping.lower import map_trace
from archsim.mapping.network import Link, Network, Tree
from archsim.mapping.spans import WHOLE, Slice, Span, Targets, overlap, union

PARTS = (1, 2, 3, 4, 6)
CELLS = math.lcm(*PARTS)  # channels in equal cells, so that every slice is a set of cells


def mesh(tiles: int, chips: int = 1, shared: int = 1) -> Network:
    router = {**ROUTER, "tiles": shared, "count": -(-tiles // shared)}
    changes = {"chip.router": router, "chip.link": LINK, "chip.tile.count": tiles}
    return Network(small_chip(changes), chips)


def cells(span: Span) -> set[int]:
    return set(range(int(span.low * CELLS), int(span.high * CELLS)))


def ends(network: Network, link: Link) -> tuple[object, object]:
    """The places a link joins, as nodes: tiles, routers, and everything outside."""
    kind, *rest = link
    if kind == "mesh":
        chip, start, goal = rest
        return ("router", chip, start), ("router", chip, goal)
    if kind == "off":
        return ("router", rest[0], 0), "outside"  # both ways
    tile = int(rest[0])
    router = ("router", *network.router_of(tile))
    return (("tile", tile), router) if kind == "up" else (router, ("tile", tile))


def walk(network: Network, tree: Tree, source: int, target: int) -> list[int]:
    """Links from the source to a target, after checking that each begins where the last ended."""
    path = []
    at = tree.leaf[target][0]
    while at >= 0:
        path.append(at)
        assert tree.parents[at] < at  # a stage's parents come before it
        at = tree.parents[at]
    path.reverse()
    here: object = "outside" if source == HOST else ("tile", source)
    for link in path:
        start, goal = ends(network, tree.links[link])
        if here == goal and tree.links[link][0] == "off":
            start, goal = goal, start
        assert here == start
        here = goal
    assert here == ("outside" if target == HOST else ("tile", target))
    return path


@st.composite
def messages(draw: st.DrawFn) -> tuple[Network, int, Targets]:
    tiles, chips = draw(st.integers(1, 23)), draw(st.integers(1, 2))
    network = mesh(tiles, chips, draw(st.integers(1, 4)))
    place = st.integers(0, tiles * chips - 1)
    source = draw(place | st.just(HOST))
    spans = st.sampled_from(PARTS).flatmap(
        lambda parts: st.integers(0, parts - 1).map(lambda i: Slice(i, parts).span)
    )
    whom = place if source == HOST else place | st.just(HOST)
    targets = draw(st.lists(st.tuples(whom, spans), min_size=1, max_size=8))
    return network, source, frozenset(targets)


@settings(max_examples=300, deadline=None)
@given(messages())
def test_trees_reach_every_target_once_per_link(message: tuple[Network, int, Targets]) -> None:
    network, source, targets = message
    tree = network.tree(source, targets)
    assert len(set(tree.links)) == len(tree.links) == len(tree.parents) == len(tree.share)
    assert set(tree.leaf) == {target for target, _ in targets}
    wanted: list[set[int]] = [set() for _ in tree.links]
    used = set()
    for target in tree.leaf:
        mine = set().union(*(cells(span) for to, span in targets if to == target))
        assert tree.leaf[target][1] == Fraction(len(mine), CELLS)
        for link in walk(network, tree, source, target) if target != source else []:
            wanted[link] |= mine
            used.add(link)
    assert used == set(range(len(tree.links)))  # no link for nobody
    assert tree.share == tuple(Fraction(len(w), CELLS) for w in wanted)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), st.data())
def test_routes_have_the_manhattan_length(tiles: int, data: st.DataObject) -> None:
    """Also where the last row of the mesh is short."""
    network = mesh(tiles)
    source, target = (data.draw(st.integers(0, tiles - 1)) for _ in range(2))
    tree = network.tree(source, frozenset([(target, WHOLE)]))
    (x, y), (to_x, to_y) = network.place(source), network.place(target)
    if source == target:
        assert tree.links == ()
        assert tree.leaf == {target: (-1, Fraction(1))}
        return
    assert [link[0] for link in tree.links if link[0] != "mesh"] == ["up", "down"]
    hops = [link for link in tree.links if link[0] == "mesh"]
    assert len(hops) == abs(x - to_x) + abs(y - to_y)
    for _, _, start, goal in hops:
        assert 0 <= int(goal) < network.routers
        (ax, ay), (bx, by) = network.place(int(start)), network.place(int(goal))
        assert abs(ax - bx) + abs(ay - by) == 1


def test_tiles_stand_in_snake_order() -> None:
    """Neighbours by number are neighbours on the chip, and `at` undoes `place`."""
    network = mesh(23)
    places = [network.place(r) for r in range(network.routers)]
    assert network.width == 5
    assert places[:7] == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 1), (3, 1)]
    assert all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in pairwise(places))
    assert [network.at(x, y) for x, y in places] == list(range(23))


def test_along_the_row_first() -> None:
    """0 1 2 / 5 4 3 / 6 7 8: from 0 to 7 through 1 and 4."""
    hops = [link for link in mesh(9).tree(0, frozenset([(7, WHOLE)])).links if link[0] == "mesh"]
    assert hops == [("mesh", 0, 0, 1), ("mesh", 0, 1, 4), ("mesh", 0, 4, 7)]


def test_around_a_short_last_row() -> None:
    """0 1 2 / 5 4 3 / 6: the way from 6 to 3 goes up first, because 7 and 8 are not there."""
    hops = [link for link in mesh(7).tree(6, frozenset([(3, WHOLE)])).links if link[0] == "mesh"]
    assert hops == [("mesh", 0, 6, 5), ("mesh", 0, 5, 4), ("mesh", 0, 4, 3)]


def test_tiles_of_one_router_meet_there() -> None:
    tree = mesh(8, shared=4).tree(1, frozenset([(0, WHOLE), (3, WHOLE)]))
    assert set(tree.links) == {("up", 1), ("down", 0), ("down", 3)}


def test_between_two_chips() -> None:
    """Out by the corner of one chip, in by the corner of the other; the way out is taken once."""
    network = mesh(4, chips=2)
    tree = network.tree(1, frozenset([(6, WHOLE), (5, WHOLE), (HOST, WHOLE)]))
    assert [n for n, link in enumerate(tree.links) if link == ("off", 0)] == [2]
    assert tree.links[:3] == (("up", 1), ("mesh", 0, 1, 0), ("off", 0))
    assert tree.leaf[HOST] == (2, Fraction(1))
    assert [link for link in tree.links if link[0] == "off"] == [("off", 0), ("off", 1)]
    for target in (5, 6, HOST):
        walk(network, tree, 1, target)


@given(st.lists(st.tuples(st.sampled_from(PARTS), st.integers(0, 5)), max_size=6))
def test_union_of_slices(slices: list[tuple[int, int]]) -> None:
    spans = [Slice(i % parts, parts).span for parts, i in slices]
    together: set[int] = set().union(*(cells(span) for span in spans))
    assert union(frozenset(spans)) == Fraction(len(together), CELLS)


@given(st.sampled_from(PARTS), st.sampled_from(PARTS), st.data())
def test_overlap_of_slices(parts: int, others: int, data: st.DataObject) -> None:
    one = Slice(data.draw(st.integers(0, parts - 1)), parts).span
    other = Slice(data.draw(st.integers(0, others - 1)), others).span
    shared = overlap(one, other)
    assert (cells(shared) if shared else set()) == cells(one) & cells(other)


def test_without_a_link_or_a_router() -> None:
    """One tile and no network: the host reaches the buffer; what is missing is named."""
    alone = Network(small_chip(), 1)
    assert alone.tree(HOST, frozenset([(0, WHOLE)])).leaf == {0: (-1, Fraction(1))}
    trace = layers([2, 4], *[linear(4, 4)] * 3)
    with pytest.raises(InputError, match="offchip_link"):
        map_trace(small_chip(), trace, chips=2)
    with pytest.raises(InputError, match="mesh_router"):
        map_trace(small_chip({"chip.tile.count": 4}), trace)
