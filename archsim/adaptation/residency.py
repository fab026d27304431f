"""How many tasks' adapters a chip holds at once, and which task switches then really write."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence

from archsim.adaptation.adapted import Adapted
from archsim.arch.model import Architecture
from archsim.components.base import ceil_div
from archsim.components.column_mask import ColumnMask
from archsim.mapping.graph import operations
from archsim.mapping.needs import unit_memory
from archsim.mapping.options import DEFAULT_MAP, MapOptions
from archsim.mapping.plan import Plan, plan
from archsim.mapping.written import Rewrite
from archsim.trace.scenario import Generator, Scenario


def residents(arch: Architecture, adapted: Adapted, options: MapOptions = DEFAULT_MAP) -> float:
    """Tasks whose values are on the chip at once; infinite where a switch writes nothing.

    The fullest memory decides. A unit or a mask memory holds as many tasks as its capacity has room
    for; arrays hold one, and as many more as the PEs that nothing stands in suffice for (that
    inference reaches those PEs as quickly is assumed); a tile's buffer holds one. InputError if
    not even one task fits.
    """
    if not adapted.switch:
        return math.inf
    ops = operations(adapted.trace, adapted.placement.groups)
    placed = plan(arch, adapted.trace, ops, options, adapted.placement)
    index = {operation.name: operation.index for operation in placed.operations}
    by_home: dict[str, list[Rewrite]] = defaultdict(list)
    for rewrite in adapted.switch:
        by_home[rewrite.home].append(rewrite)
    least = math.inf
    for home, rewrites in by_home.items():
        if home == "array":
            room = _in_arrays(arch, placed, rewrites, index)
        elif home == "buffer":
            room = 1
        else:
            room = _in_memories(arch, placed, rewrites, index, home)
        least = min(least, room)
    return least


def _in_arrays(
    arch: Architecture, placed: Plan, rewrites: Sequence[Rewrite], index: dict[str, int]
) -> int:
    def pes(operation: int) -> int:
        return sum(len(shares) for lane in placed.parts(operation) for _, shares in lane)

    used = sum(pes(operation.index) for operation in placed.operations)
    written = sum(max(round(r.pes * pes(index[r.layer])), 1) for r in rewrites)
    spare = placed.chips * arch.chip.tile.count * arch.chip.tile.pe.count - used
    return 1 + spare // written


def _in_memories(
    arch: Architecture,
    placed: Plan,
    rewrites: Sequence[Rewrite],
    index: dict[str, int],
    home: str,
) -> int:
    """Capacity over bits per task of the fullest unit (by tile) or mask memory (by tile and PE)."""
    held: dict[tuple[object, ...], int] = defaultdict(int)
    room: dict[tuple[object, ...], int] = {}
    mask = arch.chip.tile.pe.find(ColumnMask)
    for rewrite in rewrites:
        need = placed.needs[index[rewrite.layer]]
        for lane in placed.parts(index[rewrite.layer]):
            columns = sum(a.columns for _, pes in lane for pe in pes for a in pe.arrays)
            for part, pes in lane:
                if home == "unit":
                    assert need.unit is not None  # the plan has placed it there
                    place: tuple[object, ...] = need.unit[0], part.tile
                    held[place] += ceil_div(rewrite.bits, part.slice.parts)
                    room[place] = unit_memory(need)
                    continue
                assert mask is not None  # the method has found it
                for number, pe in zip(part.pes, pes, strict=True):
                    place = part.tile, number
                    own = sum(a.columns for a in pe.arrays)
                    held[place] += ceil_div(rewrite.bits * own, columns)
                    room[place] = mask[1].columns * mask[1].bits * mask[1].count
    return max(min((room[place] // bits for place, bits in held.items() if bits), default=1), 1)


# --- which switches write ---------------------------------------------------------------------


def lru_misses(tasks: Iterable[object], capacity: float) -> int:
    """Requests for a task that is not resident, where the least recently used one gives way.

    The first request for a task is a miss. capacity: tasks held at once, at least 1.
    """
    held: OrderedDict[object, None] = OrderedDict()
    missed = 0
    for task in tasks:
        if task in held:
            held.move_to_end(task)
            continue
        missed += 1
        held[task] = None
        if len(held) > capacity:
            held.popitem(last=False)
    return missed


def written_switches(scenario: Scenario, capacity: float) -> int:
    """Task switches of a scenario that write, with `capacity` tasks resident.

    The chip holds no task at first, so that every task is written once at least. One task after the
    other, and in turn, are counted in closed form; other orders are replayed.
    """
    rule = scenario.source
    if isinstance(rule, Generator) and rule.order != "random":
        if rule.order == "sequence" or rule.tasks <= capacity:
            return rule.tasks
        return rule.count  # in turn, the next task is always the one that has just given way
    return lru_misses((request.task for request in scenario.requests()), capacity)
