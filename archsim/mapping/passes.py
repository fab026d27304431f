"""Weights that take turns: which operations share a pass, and what crosses from one to a later one.

Passes are chosen by dynamic programming over the places where an operation in arrays begins. A
pass costs the longer of two times, since the next pass loads while it computes: what its weights
take to come in (DRAM, off-chip link or the mesh behind it, whichever is slowest), and what the
batch takes through its slowest layer, with one copy of all layers or with those that fit, which
load longer. Tensors that cross from one pass to a later one are written to DRAM and read back,
which is added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from archsim.arch.model import Architecture
from archsim.components.dram import Dram
from archsim.components.mesh_router import MeshRouter
from archsim.components.offchip_link import OffchipLink
from archsim.errors import InputError
from archsim.mapping.graph import Operation
from archsim.mapping.needs import Need
from archsim.trace.layer import LayerBase
from archsim.trace.model import GraphInput, Trace
from archsim.trace.training import Stored


@dataclass(frozen=True)
class Pass:
    """Operations `first` up to `end` of the trace's list; seconds: as the choice counted them."""

    first: int
    end: int
    seconds: float


def arriving_seconds(arch: Architecture, bits: float) -> float:
    """Time that so many bits take to come onto the chip."""
    dram, link = arch.chip.find(Dram), arch.chip.find(OffchipLink)
    rates = [0.0]
    if dram is not None:
        work = dram[1].access(1 << 20)
        rates.append(work.seconds / (1 << 20) / work.servers)
    if link is not None:
        work = link[1].transfer(1 << 20)
        rates.append(work.seconds / (1 << 20) / work.servers)
    router = arch.chip.find(MeshRouter)
    if router is not None:  # two links lead away from the corner
        packets, work = router[1].packets(1 << 20)
        rates.append(packets * work.seconds / (1 << 20) / 2)
    return bits * max(rates)


def weight_bits(need: Need, cell_bits: int) -> int:
    """Bits of one copy of an operation's weights as its cells hold them."""
    return sum(a.rows * a.columns for pe in need.pes for a in pe.arrays) * cell_bits


def choose_passes(
    arch: Architecture, ops: list[Operation], needs: list[Need], batch: int, pes: int, bits: int
) -> list[Pass]:
    """Passes that each fit `pes` PEs, of the least total time.

    bits: of a cell. InputError that names an operation which does not fit alone.
    """
    for need in needs:
        if len(need.pes) > pes:
            raise InputError(
                f"layer '{need.operation.name}' takes {len(need.pes)} PEs, a pass has {pes} of "
                f"{arch.name}: its weights cannot take turns.",
                fix="Use --chips auto, a larger architecture, or cut the layer in the trace.",
            )
    starts = [0, *(o.index for o, n in zip(ops, needs, strict=True) if n.pes)]
    starts = [*sorted(set(starts)), len(ops)]
    best: list[tuple[float, int]] = [(0.0, 0)] + [(math.inf, 0)] * (len(starts) - 1)
    for begin in range(len(starts) - 1):
        crossing = _crossing(ops, needs, starts[begin])
        moved = 2 * batch * arriving_seconds(arch, crossing) if begin else 0.0
        held, loaded, slowest = 0, 0.0, 0.0
        for end in range(begin + 1, len(starts)):
            for need in needs[starts[end - 1] : starts[end]]:
                held += len(need.pes)
                loaded += arriving_seconds(arch, weight_bits(need, bits)) if need.pes else 0.0
                slowest = max(slowest, batch * need.operation.positions * need.seconds)
            if held > pes:
                break
            copies = max(pes // max(held, 1), 1)  # each is loaded as well
            shortest = min(max(loaded, slowest), max(loaded * copies, slowest / copies))
            cost = best[begin][0] + shortest + moved
            if cost < best[end][0]:
                best[end] = cost, begin
    chosen: list[Pass] = []
    at = len(starts) - 1
    while at:
        before = best[at][1]
        seconds = best[at][0] - best[before][0]
        chosen.append(Pass(starts[before], starts[at], seconds))
        at = before
    return chosen[::-1]


def _crossing(ops: list[Operation], needs: list[Need], start: int) -> float:
    """Bits of one inference that operations from `start` on need of those before."""
    read = {f.producer for o in ops[start:] for f in o.feeds if f.producer < start}
    return float(sum(ops[p].positions * needs[p].result_bits for p in read if not ops[p].off_chip))


def with_crossings(
    trace: Trace, ops: list[Operation], passes: list[Pass]
) -> tuple[Trace, dict[str, int]]:
    """The trace in which tensors cross passes through memory; and the pass of each layer in it.

    A model input that several passes read comes in again for each of them, and so does a row of a
    table; other tensors are stored and read back.
    """
    number = {
        name: k
        for k, chosen in enumerate(passes)
        for operation in ops[chosen.first : chosen.end]
        for name in (operation.name, *(fused.name for fused in operation.fused))
    }
    inputs = {i.name: i for i in trace.inputs}
    tables = {o.name: o.layer for o in ops if o.off_chip and o.layer is not None}
    readers: dict[str, list[int]] = {}
    for layer in trace.layers:
        if layer.name not in tables:
            for name in layer.inputs:
                readers.setdefault(name, []).append(number[layer.name])
    for name in (*inputs, *tables):
        number[name] = min(readers.get(name, [0]))
    more: dict[tuple[str, int], str] = {}
    layers: list[LayerBase] = []
    again: list[GraphInput] = []
    for layer in trace.layers:
        at, names = number[layer.name], []
        for name in layer.inputs:
            there = number.get(name, at)
            if there == at or layer.name in tables:
                names.append(name)
                continue
            if (name, at) not in more:
                more[name, at] = copy = f"{name} (pass {at + 1})"
                number[copy] = at
                if name in inputs:
                    again.append(inputs[name].model_copy(update={"name": copy}))
                elif name in tables:
                    table = tables[name]
                    assert table is not None
                    layers.append(table.model_copy(update={"name": copy}))
                else:
                    layers.append(Stored(op="stored", name=copy, inputs=[name]))
            names.append(more[name, at])
        layers.append(layer.model_copy(update={"inputs": names}))
    update = {"inputs": [*trace.inputs, *again], "layers": layers, "generation": None}
    # not model_copy, which would keep the shapes that the trace has worked out
    return Trace.model_construct(**{**dict(trace), **update}), number


def own_operations(
    ops: list[Operation], number: dict[str, int], at: int
) -> tuple[list[Operation], list[int]]:
    """The operations of one pass, numbered by themselves, and their places in the whole list.

    `stored` still counts in the whole list.
    """
    mine = [o.index for o in ops if number[o.name] == at]
    local = {index: n for n, index in enumerate(mine)}
    found = []
    for index in mine:
        operation = ops[index]
        feeds = [replace(f, producer=local[f.producer]) for f in operation.feeds]
        consumers = [local.get(c, c) for c in operation.consumers]
        found.append(replace(operation, index=local[index], feeds=feeds, consumers=consumers))
    return found, mine
