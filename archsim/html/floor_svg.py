"""The floor plan of each chip as SVG: tiles at their router, coloured by how busy they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from archsim.result import FloorPlan
from archsim.tables import figures

CELL, GAP = 30, 12  # of a router, and between routers, in units of the picture
# The map "cividis" (J. R. Nunez et al., PLOS ONE 13(7), 2018, doi:10.1371/journal.pone.0199239),
# which looks alike with and without colour-blindness, at ten equal steps.
CIVIDIS = (
    "#00224e", "#123570", "#3b496c", "#575d6d", "#707173",
    "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
)  # fmt: skip


def floor_html(floor: FloorPlan) -> str:
    """All chips side by side, with a switch between arrays and busiest unit; "" without tiles."""
    if not floor.chip:
        return ""
    scales = {"arrays": _top(floor.arrays), "busiest": _top(floor.busiest)}
    chips = range(max(floor.chip) + 1)
    drawn = "".join(_chip(floor, chip, scales, named=len(chips) > 1) for chip in chips)
    bar = f"linear-gradient(90deg, {', '.join(CIVIDIS)})"
    return (
        '<div class="tools" role="radiogroup" aria-label="What the colours show">'
        '<label><input type="radio" name="floor" value="arrays" checked> arrays</label>'
        '<label><input type="radio" name="floor" value="busiest"> busiest unit</label></div>'
        f'<div class="chips">{drawn}</div><p class="legend"><span>idle '
        f'<i class="heat" style="background:{bar};width:140px"></i> busiest '
        f"(arrays {figures.percent(scales['arrays'])}, unit {figures.percent(scales['busiest'])})"
        '</span><span><i style="background:var(--c5)"></i>links, thicker where busier</span></p>'
    )


def _top(values: Sequence[float]) -> float:
    return max(values, default=0.0) or 1.0


def _chip(floor: FloorPlan, chip: int, scales: dict[str, float], *, named: bool) -> str:
    pitch = CELL + GAP
    side = math.ceil(math.sqrt(floor.tiles_per_router))
    small = CELL / side
    marks: list[str] = []
    for number, x, y, back_x, back_y, busy in floor.links:
        if number == chip:
            marks.append(_link(x, y, back_x, back_y, busy))
    seen: dict[tuple[int, int], int] = {}
    first = floor.chip.index(chip)
    for tile in range(first, first + floor.chip.count(chip)):
        spot = floor.x[tile], floor.y[tile]
        slot = seen.get(spot, 0)
        seen[spot] = slot + 1
        left = GAP / 2 + spot[0] * pitch + (slot % side) * small
        top = GAP / 2 + spot[1] * pitch + (slot // side) * small
        marks.append(_tile(floor, tile, left, top, small, scales))
    width, height = floor.width * pitch, floor.height * pitch
    caption = f'<figcaption class="soft">chip {chip}</figcaption>' if named else ""
    return (
        f'<figure>{caption}<svg class="floor" data-show="arrays" viewBox="0 0 {width} {height}" '
        f'role="group" aria-label="Floor plan of chip {chip}; arrow keys go from tile to tile">'
        f"{''.join(marks)}</svg></figure>"
    )


def _tile(
    floor: FloorPlan, tile: int, left: float, top: float, size: float, scales: dict[str, float]
) -> str:
    part = floor.busiest_part[tile].removeprefix("chip.")
    text = f"Tile {tile}\nArrays busy: {figures.percent(floor.arrays[tile])}"
    if part:
        text += f"\nBusiest unit: {part}, {figures.percent(floor.busiest[tile])}"
    box = f'x="{left:g}" y="{top:g}" width="{size:g}" height="{size:g}"'
    fills = "".join(
        f'<rect class="of-{name}" {box} fill="{_colour(values[tile] / scales[name])}"/>'
        for name, values in (("arrays", floor.arrays), ("busiest", floor.busiest))
    )
    shown = escape(text, quote=True)
    return (
        f'<g class="tile" role="img" tabindex="-1" data-tip="{shown}" aria-label="{shown}">'
        f"{fills}</g>"
    )


def _colour(share: float) -> str:
    return CIVIDIS[min(int(share * len(CIVIDIS)), len(CIVIDIS) - 1)]


def _link(x: int, y: int, to_x: int, to_y: int, busy: float) -> str:
    pitch = CELL + GAP
    # two directions share a gap between routers: keep to the right of the way
    along_x, along_y = to_x - x, to_y - y
    start = GAP / 2 + CELL / 2 + x * pitch, GAP / 2 + CELL / 2 + y * pitch
    reach, past = CELL / 2, CELL / 2 + GAP
    points = [
        start[0] + along_x * distance - along_y * 5
        if axis == 0
        else start[1] + along_y * distance + along_x * 5
        for distance in (reach, past)
        for axis in (0, 1)
    ]
    text = f"Link ({x}, {y}) to ({to_x}, {to_y}): busy {figures.percent(busy)}"
    return (
        f'<line class="link" x1="{points[0]:g}" y1="{points[1]:g}" x2="{points[2]:g}" '
        f'y2="{points[3]:g}" stroke-width="{0.5 + 6 * busy:.2f}" data-tip="{text}"/>'
    )
