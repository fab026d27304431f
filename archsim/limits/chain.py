"""The shortest time through the dependencies of an inference, every step as fast as it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.arch.model import Architecture
from archsim.arch.pe import AnalogRoles, Roles, roles
from archsim.components.base import Work, ceil_div
from archsim.components.buffer import Buffer
from archsim.components.bus import Bus
from archsim.components.dram import Dram
from archsim.components.offchip_link import OffchipLink
from archsim.components.register import Register
from archsim.components.roles import DigitalUnit
from archsim.limits.demand import IN_ARRAYS, Demand, able
from archsim.mapping.graph import HOST
from archsim.mapping.growth import Growth
from archsim.mapping.needs import Need
from archsim.mapping.primitives import Primitives, primitives
from archsim.mapping.writer import LONG, MOST_BEATS
from archsim.trace import operators as op
from archsim.trace.model import Trace

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Chain:
    """seconds: until the last position of an inference at the earliest; by: the operation that
    takes most of that on the longest path; step: of a generated token, 0 without generation."""

    seconds: float
    by: str
    step: float


def chain(
    arch: Architecture,
    trace: Trace,
    demands: list[Demand],
    capacity: Mapping[str, float],
    planes: float,
) -> Chain:
    """Follow windows, joins and barriers through all operations.

    Position n of an operation can begin when each producer has finished the prefix that n needs
    (that is what an edge asks for); let A[n] be that time. It then takes at least the latency d of
    an instance. And the positions m..n, all begun after A[m], take (n - m + 1) w of server time
    per server of the chip, for w the work of a position on the scarcest resource. So the prefix
    0..n is finished no earlier than

        max(A[n] + d, max over m <= n of A[m] + (n - m + 1) w)

    Of the chip's `planes` arrays those that hold one copy of the other layers are not there for a
    layer's own (weights that take turns: planes is infinite).

    A generated token waits for the scores of the one before: `decode` more passes through the
    operations between them.
    """
    pe = roles(arch.chip.tile.pe)
    ends: list[Seconds] = []
    least: list[float] = []
    taken = sum(demand.arrays for demand in demands)
    for demand in demands:
        operation = demand.operation
        free = max(planes - taken + demand.arrays, 1)
        begun = np.zeros(operation.positions)
        for feed in operation.feeds:
            last = feed.reach.last
            there = ends[feed.producer][np.maximum(last, 0)]
            begun = np.maximum(begun, np.where(last >= 0, there, 0.0))
        least.append(instance_seconds(arch, pe, demand))
        ends.append(
            _prefix_ends(begun, least[-1], _work(demand, capacity, free), operation.recurrent)
        )
    step = _generated_step(trace, demands, least)
    latest = max(range(len(ends)), key=lambda i: float(ends[i][-1]))
    seconds = float(ends[latest][-1])
    by = _longest(demands, ends, latest)
    if step and trace.generation is not None:
        source = next(d for d in demands if d.operation.name == trace.generation.source)
        first = float(ends[source.operation.index][trace.generation.sequences - 1])
        generated = first + trace.generation.decode * step
        if generated > seconds:
            return Chain(generated, f"{trace.generation.decode} generated tokens", step)
    return Chain(seconds, by, step)


def _work(demand: Demand, capacity: Mapping[str, float], free: float) -> float:
    """Seconds of a position, all servers of the chip that it can have working side by side."""
    servers = {k: min(n, free) if k in IN_ARRAYS else n for k, n in capacity.items()}
    return max((s / servers[kind] for kind, s in demand.least.items() if s), default=0.0)


def _prefix_ends(begun: Seconds, latency: float, work: float, recurrent: bool) -> Seconds:
    """When the prefixes are finished, from when each position can begin at the earliest."""
    count = np.arange(len(begun), dtype=np.float64)
    pace = latency if recurrent else work  # a recurrent step begins when the one before has ended
    flowing = np.maximum.accumulate(begun - count * pace) + (count + 1) * pace
    ends: Seconds = np.maximum.accumulate(np.maximum(begun + latency, flowing))
    return ends


def _longest(demands: list[Demand], ends: list[Seconds], last: int) -> str:
    """The operation that adds most on the path that ends last."""
    best, name = -1.0, demands[last].operation.name
    at, position = last, len(ends[last]) - 1
    while True:
        operation = demands[at].operation
        before, where = 0.0, (-1, -1)
        for feed in operation.feeds:
            needed = int(feed.reach.last[position])
            if needed >= 0 and float(ends[feed.producer][needed]) >= before:
                before, where = float(ends[feed.producer][needed]), (feed.producer, needed)
        own = float(ends[at][position]) - before
        if own > best:
            best, name = own, operation.name
        if where[0] < 0:
            return name
        at, position = where


# --- one instance ------------------------------------------------------------------------------


def instance_seconds(arch: Architecture, pe: Roles, demand: Demand) -> float:
    """From the admission of an instance to the delivery of its result, cut as finely as it can be.

    Its stages follow one another, and a stage that is cut into beats overlaps with the next: the
    last beat of a stage comes after the last beat of the stage before it, and its first beat after
    the first. So beside one stage that is counted whole each other one adds a beat at least.
    """
    need, operation = demand.need, demand.operation
    tile = arch.chip.tile
    buffer, bus = tile.find(Buffer), tile.find(Bus)
    assert buffer is not None and bus is not None  # checked when the architecture was loaded
    if operation.off_chip:
        return _outside(arch, need) + _piece(buffer[1].access(1))
    cut = max(need.most_shards, 1)
    left = ceil_div(need.result_bits, operation.channels)  # an element at least
    stages: list[Work] = []
    fetch = product = 0.0
    if need.weights is not None:
        elements = ceil_div(sum({a.inputs: a.rows for a in need.pes[0].arrays}.values()), cut)
        bits = max(elements, 1) * need.input_bits
        stages += [buffer[1].access(bits), bus[1].transfer(bits), pe.input_register.access(bits)]
        product = _product_seconds(pe, need)
        stages += [pe.output_register.access(left), bus[1].transfer(left)]
        if operation.recurrent:
            stages += _fastest(arch, need.work, 1.0)
    else:
        for which, bits in need.reads.items():  # side by side
            fetched = max(int(bits * _least_share(need.read_growth.get(which)) / cut), 1)
            own = _piece(buffer[1].access(fetched)) + _piece(bus[1].transfer(fetched))
            fetch = max(fetch, own)
        share = _least_share(need.growth) / cut
        if need.memory_bits and need.unit is not None:
            stages += [_least_work(need.unit[1], need.work, share)]
        elif need.work:
            stages += _fastest(arch, need.work, share)
        stages.append(bus[1].transfer(1))
    for fused in operation.fused:
        work = primitives(fused, [operation.shape], operation.shape)
        stages += _fastest(arch, work, 1 / operation.channels)
    register, link = tile.find(Register, side="output"), arch.chip.find(OffchipLink)
    if register is not None:
        stages.append(register[1].access(1))
    if HOST in operation.consumers and link is not None:
        stages.append(link[1].transfer(1))
    elif set(operation.consumers) - {HOST}:
        stages.append(buffer[1].access(1))
    pieces = [_piece(stage) for stage in stages]
    whole = max(
        (s.seconds - p for s, p in zip(stages, pieces, strict=True) if s.servers == 1), default=0.0
    )
    return fetch + sum(pieces) + max(product, whole)


def _least_share(growth: Growth | None) -> float:
    """Share of the full work that the least step of a sequence does."""
    return growth.least / growth.span if growth else 1.0


def _piece(work: Work) -> float:
    """One beat of a stage, the least that any coarser cut of the same work would have.

    `beats_of` cuts from LONG cycles on, into MOST_BEATS at most.
    """
    cycles = min(work.cycles, max(work.cycles, LONG) / MOST_BEATS)
    return cycles * work.period


def _product_seconds(pe: Roles, need: Need) -> float:
    """All digits of an input through the widest array that each column tile has."""
    widest = max(need.pes[0].arrays, key=lambda a: a.columns)
    beats = pe.input_beats(need.input_bits) * need.turns
    if isinstance(pe, AnalogRoles):
        columns = pe.converted(widest.columns, need.kept)
        steps = [
            pe.read_seconds(),
            pe.adc.convert(columns).seconds,
            pe.shift_add.accumulate(columns).seconds,
        ]
        return sum(steps) + (beats - 1) * max(steps)
    seconds = beats * pe.beat_seconds(1) + pe.array.deliver(need.input_bits, 1, 0).seconds
    if pe.array.aligned(need.input_bits):
        seconds += pe.array.align(1).seconds
    return seconds


def _outside(arch: Architecture, need: Need) -> float:
    """A position from outside: DRAM for tables and stored tensors, the link, word by word."""
    found, link, dram = 0.0, arch.chip.find(OffchipLink), arch.chip.find(Dram)
    if link is not None:
        found += _piece(link[1].transfer(1))
    if dram is not None and need.operation.layer is not None:
        found += _piece(dram[1].access(1))
    return found


def _fastest(arch: Architecture, work: Primitives, share: float) -> list[Work]:
    """A share of a work on the fastest able unit; nothing if there is none."""
    units = [arch.chip.tile.parts[name] for name in able(arch, work)]
    works = [_least_work(u, work, share) for u in units if isinstance(u, DigitalUnit)]
    return [min(works, key=lambda w: w.seconds)] if works else []


def _least_work(unit: DigitalUnit, work: Primitives, share: float) -> Work:
    return unit.compute({name: amount * share for name, amount in work.items()})


# --- generation --------------------------------------------------------------------------------


def _generated_step(trace: Trace, demands: list[Demand], least: list[float]) -> float:
    """The longest chain of instances from a generated token to the scores of the next one.

    Token n of the input is needed by the first position q(n) of each operation behind it, along
    the edges; the chain counts if the scores that token n + 1 waits for lie at q(n) or later.
    """
    generation = trace.generation
    if generation is None:
        return 0.0
    names = {d.operation.name: d.operation.index for d in demands}
    target = next(
        (
            names[layer.name]
            for layer in trace.layers
            if isinstance(layer, op.Embedding)
            and layer.inputs[0] == generation.target
            and layer.name in names
        ),
        None,
    )
    if target is None:
        return 0.0
    first = (generation.prompt - 1) * generation.sequences  # its token's scores choose the next
    tokens = np.arange(first, demands[target].operation.positions)
    paths: dict[int, tuple[float, NDArray[np.int64]]] = {target: (least[target], tokens)}
    for demand in demands[target + 1 :]:
        best: tuple[float, NDArray[np.int64]] | None = None
        for feed in demand.operation.feeds:
            if feed.producer in paths:
                length, at = paths[feed.producer]
                needing = np.searchsorted(feed.reach.last, at, side="left")
                inside = bool((needing < demand.operation.positions).all())
                if inside and (best is None or length > best[0]):
                    best = length, needing
        if best is not None:
            own = least[demand.operation.index]
            paths[demand.operation.index] = best[0] + own, best[1]
    source = names[generation.source]
    if source not in paths:
        return 0.0
    length, at = paths[source]
    in_time = bool((at <= tokens - first).all())
    return length if in_time else 0.0
