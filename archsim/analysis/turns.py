"""What loading weights in turns took of a run, and how much of it was hidden behind computing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.engine.activity import Activity
    from archsim.mapping.mapped import Mapped
    from archsim.result import TakenTurns

Interval = tuple[int, int]


def taken_turns(
    arch: Architecture, mapped: Mapped, activity: Activity, batch: int
) -> TakenTurns | None:
    """None where all weights stayed in arrays."""
    from archsim.components.dram import Dram
    from archsim.result import TakenTurns

    turns = mapped.turns
    if turns is None:
        return None
    loads = _union(_span(activity, (flow,)) for flows in turns.loads for flow in flows)
    computing = _union(
        _span(activity, info.flows)
        for operations in turns.operations
        for info in operations
        if info.flows[0] != info.flows[1]
    )
    dram = arch.chip.find(Dram)
    found = 0.0
    for action, count in zip(mapped.actions.actions, activity.counts.tolist(), strict=True):
        for path, name, amount in action.bill:
            if dram is not None and (path, name) == (f"chip.{dram[0]}", "bit"):
                found += count * amount
    return TakenTurns(
        passes=len(turns.loads),
        banks=turns.banks,
        loaded_bits=turns.bits,
        load_s=_length(loads) * mapped.tick,
        hidden_s=_length(_both(loads, computing)) * mapped.tick,
        load_j=_load_energy(arch, mapped) / batch,
        dram_bits=found / batch,
        wear=turns.wear / batch,
    )


def _load_energy(arch: Architecture, mapped: Mapped) -> float:
    """Joules of all actions of the flows that load, for the whole batch."""
    assert mapped.turns is not None  # checked by the caller
    program, parts = mapped.program, arch.parts()
    runs = program.stage_runs()
    energies = {path: part.energies() for path, (part, _) in parts.items()}
    total = 0.0
    for flows in mapped.turns.loads:
        for flow in flows:
            stages = program.stages_of(flow)
            done = runs[stages] * program.stage_beats[stages] * program.stage_count[stages]
            for action, count in zip(
                program.stage_action[stages].tolist(), done.tolist(), strict=True
            ):
                bill = mapped.actions.actions[action].bill
                total += count * sum(amount * energies[path][name] for path, name, amount in bill)
    return total


def _span(activity: Activity, flows: tuple[int, ...]) -> Interval:
    first = min(int(activity.first_start[flow]) for flow in flows)
    return first, max(int(activity.finish[flow].max()) for flow in flows)


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """Sorted and disjoint."""
    found: list[Interval] = []
    for begin, end in sorted(intervals):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def _both(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """Where two unions overlap."""
    found = []
    i = j = 0
    while i < len(one) and j < len(other):
        begin, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if begin < end:
            found.append((begin, end))
        i, j = (i + 1, j) if one[i][1] < other[j][1] else (i, j + 1)
    return found


def _length(intervals: list[Interval]) -> int:
    return sum(end - begin for begin, end in intervals)
