"""Map a model whose weights do not fit: passes through parts of the chip that take turns.

The chip's tiles form banks; pass k stands on bank k mod banks, planned as on a chip of that size.
While a pass computes, the weights of the next one come into the next bank, contending for DRAM,
links and mesh with the activations. A bank is loaded again, and its buffers are used again, when
its old pass is done for the whole batch. All passes are one Program.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.arch.pe import MacroRoles, roles
from archsim.errors import InputError
from archsim.mapping.floor import Lane, TilePart
from archsim.mapping.graph import Operation, operations
from archsim.mapping.needs import needs_of
from archsim.mapping.options import MapOptions
from archsim.mapping.passes import (
    Pass,
    arriving_seconds,
    choose_passes,
    own_operations,
    weight_bits,
    with_crossings,
)
from archsim.mapping.placement import AS_USUAL
from archsim.mapping.plan import Plan, plan
from archsim.trace.model import Trace

BANKS = (2, 1)  # one bank: nothing is hidden, but a pass may be as large as the chip
SHRINK = 0.8  # of the PEs of a bank are used, where the last choice found no buffers
ATTEMPTS = 5


@dataclass(frozen=True)
class PlannedPass:
    """A pass with its place; local: its operations' numbers in the whole list."""

    plan: Plan
    local: list[int]


@dataclass(frozen=True)
class PlannedTurns:
    """All passes, and the trace in which tensors cross them through memory."""

    trace: Trace
    passes: list[PlannedPass]
    banks: int


def take_turns(arch: Architecture, trace: Trace, ops: list[Operation], options: MapOptions) -> bool:
    """Whether the weights of a run take turns: if asked, or if digital cells are too few."""
    if options.weights != "auto":
        return options.weights == "turns"
    pe = roles(arch.chip.tile.pe)
    if not isinstance(pe, MacroRoles) or options.most_chips != 1 or _repeats(trace):
        return False
    present = arch.chip.tile.count * arch.chip.tile.pe.count
    return sum(len(n.pes) for n in needs_of(arch, trace, ops)) > present


def plan_turns(arch: Architecture, trace: Trace, options: MapOptions, batch: int) -> PlannedTurns:
    """Choose banks and passes and place each pass; InputError if a layer does not fit alone."""
    if options.most_chips != 1:
        raise InputError(
            "weights take turns on a single chip.", fix="Leave out --chips or --weights turns."
        )
    if _repeats(trace):
        raise InputError(
            f"'{trace.name}' generates tokens one after another, and each would need all passes.",
            fix="Export one decode step with its cache (a trace without generation) and run that, "
            "or keep the weights resident with --chips auto.",
        )
    ops = operations(trace)
    needs = needs_of(arch, trace, ops)
    cell_bits = roles(arch.chip.tile.pe).array.bits_per_cell
    fault: InputError | None = None
    for banks in BANKS:
        pes = arch.chip.tile.count // banks * arch.chip.tile.pe.count
        for attempt in range(ATTEMPTS if pes else 0):
            try:
                passes = choose_passes(arch, ops, needs, batch, pes, cell_bits)
                return _placed(arch, trace, ops, passes, banks, options, batch)
            except InputError as reason:
                fault = fault if attempt else reason  # the first says what the chip lacks
                pes = int(pes * SHRINK)
    assert fault is not None
    raise fault


def _repeats(trace: Trace) -> bool:
    return trace.generation is not None and trace.generation.decode > 0


def _placed(
    arch: Architecture,
    trace: Trace,
    ops: list[Operation],
    passes: list[Pass],
    banks: int,
    options: MapOptions,
    batch: int,
) -> PlannedTurns:
    crossed, number = with_crossings(trace, ops, passes)
    every = operations(crossed)
    tiles = arch.chip.tile.count // banks
    bank = _with_tiles(arch, tiles)
    found = []
    for at in range(len(passes)):
        own, local = own_operations(every, number, at)
        placed = _least(bank, crossed, own, options, batch)
        first = at % banks * tiles
        placed.lanes = {
            index: [
                Lane([TilePart(p.tile + first, p.pes, p.slice) for p in lane.parts])
                for lane in lanes
            ]
            for index, lanes in placed.lanes.items()
        }
        found.append(PlannedPass(placed, local))
    return PlannedTurns(crossed, found, banks)


def _least(
    bank: Architecture, trace: Trace, own: list[Operation], options: MapOptions, batch: int
) -> Plan:
    """With copies or without: whichever loads and computes in less time, one beside the other."""
    once = plan(bank, trace, own, options.model_copy(update={"replicate": False}), AS_USUAL)
    if not options.replicate:
        return once
    copied = plan(bank, trace, own, options, AS_USUAL)
    return min((once, copied), key=lambda placed: _seconds(bank, placed, batch))


def _seconds(bank: Architecture, placed: Plan, batch: int) -> float:
    """Of loading all copies of a pass, or of its slowest layer if that takes longer."""
    cell_bits = roles(bank.chip.tile.pe).array.bits_per_cell
    loaded = sum(weight_bits(need, cell_bits) * need.lanes for need in placed.needs)
    slowest = max(
        n.operation.positions * n.seconds / (n.lanes * (1 if n.pes else n.shards))
        for n in placed.needs
    )
    return max(arriving_seconds(bank, loaded), batch * slowest)


def _with_tiles(arch: Architecture, tiles: int) -> Architecture:
    tile = arch.chip.tile.model_copy(update={"count": tiles})
    return arch.model_copy(update={"chip": arch.chip.model_copy(update={"tile": tile})})
