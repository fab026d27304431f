"""Place a trace on the chip: how often each operation is there, where, and with what buffers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.components.base import ceil_div
from archsim.errors import InputError
from archsim.mapping.buffers import least_buffers
from archsim.mapping.choice import Choice, Share
from archsim.mapping.columns import columns_of
from archsim.mapping.copies import balanced, layers_of
from archsim.mapping.cost import Costs
from archsim.mapping.floor import Floor, Lane, NoRoom, TilePart
from archsim.mapping.graph import Operation
from archsim.mapping.needs import Need, needs_of
from archsim.mapping.options import MapOptions
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.mapping.primitives import primitives
from archsim.mapping.rooms import buffer_slots, room_of, spread_buffers
from archsim.mapping.shares import set_shares
from archsim.mapping.sums import additions
from archsim.mapping.tiling import PEShare
from archsim.mapping.units import Loads, Unit
from archsim.trace.model import Trace

RELAX = 1.15  # each attempt to place copies that do not fit asks for that much less speed
MOST_CHIPS = 4096
COMFORT = (1.0, 0.5, 0.25, 0.0)  # shares of the comfortable buffer sizes that are tried


@dataclass
class Plan:
    """Operations with their needs, lanes and buffers, on a number of chips.

    slots: buffer positions by (consumer, input number); interval: seconds per inference that the
    copies aim at; units: the digital unit by operation and role ("work", "gates", "sums" or the
    name of a fused layer).
    """

    operations: list[Operation]
    needs: list[Need]
    lanes: dict[int, list[Lane]]
    slots: dict[tuple[int, int], int]
    chips: int
    interval: float
    units: dict[tuple[int, str], Unit] = field(default_factory=dict)

    def parts(self, index: int) -> list[list[tuple[TilePart, list[PEShare]]]]:
        """By lane of an operation, its tiles with the PE contents that stand there."""
        found = []
        for lane in self.lanes.get(index, []):
            shares = iter(self.needs[index].pes)
            found.append([(part, [next(shares) for _ in part.pes]) for part in lane.parts])
        return found

    def choice(self) -> Choice:
        """What was chosen, so that the same plan can be made again."""
        shares = {
            need.operation.name: Share(copies=need.lanes, shards=need.shards)
            for need in self.needs
            if not need.operation.off_chip and need.leader in (-1, need.operation.index)
        }
        return Choice(shares=shares, pace=self.interval)


def plan(
    arch: Architecture,
    trace: Trace,
    ops: list[Operation],
    options: MapOptions,
    placement: Placement = AS_USUAL,
) -> Plan:
    """Place a trace on the chips that the options allow.

    The shares of the options' choice are taken as they are; the rules choose the others. InputError
    if the model does not fit.
    """
    chips = options.most_chips
    if chips is not None and not 1 <= chips <= MOST_CHIPS:
        raise InputError(f"{chips} chips were asked for.", fix=f"Ask for 1 to {MOST_CHIPS}.")
    needs = needs_of(arch, trace, ops, placement)
    least = least_buffers(ops)
    wanted = sum(len(n.pes) for n in needs)
    per_chip = arch.chip.tile.count * arch.chip.tile.pe.count
    number = chips or max(ceil_div(wanted, per_chip), 1)
    while True:
        try:
            if wanted > number * per_chip:
                raise NoRoom("")
            planner = _Planner(arch, trace, ops, needs, least, number, placement)
            return planner.plan(options, options.choice or Choice())
        except NoRoom as reason:
            if chips is not None or number >= MOST_CHIPS or not reason.chips_help:
                raise _too_large(arch, needs, number, reason) from None
            number += max(number // 8, 1)


@dataclass
class _Planner:
    """One attempt after the other to place a trace on a number of chips."""

    arch: Architecture
    trace: Trace
    ops: list[Operation]
    needs: list[Need]
    least: dict[tuple[int, int], int]
    chips: int
    placement: Placement

    def plan(self, options: MapOptions, choice: Choice) -> Plan:
        reason = NoRoom("")
        for copies, pace, last in self._attempts(options, choice):
            for comfort in COMFORT if last else COMFORT[:2]:
                floor = Floor(self.arch, self.chips)
                for index, count in copies.items():
                    self.needs[index].lanes, self.needs[index].shards = count, 1
                set_shares(self.arch, self.needs, self.ops, self.least, pace, floor.tiles)
                self._as_chosen(choice)
                slots = buffer_slots(self.ops, self.needs, self.least, comfort)
                spread_buffers(self.arch, self.needs, self.ops, slots, floor.bits_per_tile)
                try:
                    lanes = self._lanes(slots, floor, pace)
                except NoRoom as found:
                    reason = found
                    continue
                found_plan = Plan(self.ops, self.needs, lanes, slots, self.chips, pace)
                _assign_units(self.arch, found_plan)
                return found_plan
        raise reason

    def _attempts(
        self, options: MapOptions, choice: Choice
    ) -> Iterator[tuple[dict[int, int], float, bool]]:
        """Copies of the array layers by operation, the pace, and whether it is the last attempt.

        From as many copies as the PEs hold to one of each layer.
        """
        costs = Costs(self.arch, self.ops, self.needs)
        tile = self.arch.chip.tile
        pes = self.chips * tile.count * tile.pe.count - choice.reserve
        needed = sum(len(n.pes) for n in self.needs)
        named = {n.operation.name: n for n in self.needs if n.weights is not None}
        fixed = {
            named[name].operation.index: share.copies
            for name, share in choice.shares.items()
            if name in named
        }
        # A pace that one tile keeps: shares count all that an operation does, not a step alone.
        whole = max(n.operation.positions * n.seconds for n in self.needs)
        slowest = max(whole, *(costs.slowest(o.index, 1) for o in self.ops))
        complete = bool(fixed) and len(fixed) == len(named)
        if len(fixed) == len(named) and choice.pace:
            yield fixed, choice.pace, True
            return
        layers = layers_of(costs, self.needs, pes, most_useful(self.trace))
        least = max(costs.fixed(), choice.pace)
        spare = max(pes - needed, 0) if options.replicate else 0
        while spare >= 1 or complete:
            found, pace = balanced(layers, needed + spare, least, fixed)
            pace = max([pace, *(costs.slowest(i, count) for i, count in fixed.items())])
            yield found, pace, complete
            if complete:
                return
            least *= RELAX
            spare = int(spare / RELAX)
        if fixed:
            yield {la.index: fixed.get(la.index, 1) for la in layers}, slowest, False
        yield {la.index: 1 for la in layers}, slowest, True

    def _as_chosen(self, choice: Choice) -> None:
        for need in self.needs:
            leader = self.needs[need.leader] if need.leader >= 0 else need
            share = choice.shares.get(leader.operation.name)
            if share is not None and need.weights is None:
                need.shards = share.shards
                need.lanes = min(share.copies, need.operation.positions)

    def _lanes(
        self, slots: dict[tuple[int, int], int], floor: Floor, interval: float
    ) -> dict[int, list[Lane]]:
        lanes: dict[int, list[Lane]] = {}
        named = {operation.name: operation.index for operation in self.ops}
        for operation, need in zip(self.ops, self.needs, strict=True):
            if operation.off_chip:
                continue
            room = room_of(need, self.ops, slots)
            if need.weights is not None:
                sizes = [len(shard) for shard in need.shard_pes]
                placed = floor.place_array_lanes(need.lanes, sizes, room, operation.name)
            else:
                unit = need.unit[0] if need.unit else "buffer"
                share = operation.positions * need.seconds / (need.lanes * need.shards)
                load = share / interval if interval else 0.0
                joined = lanes.get(need.leader) if not need.memory_bits else None
                if joined and floor.join_lanes(joined, room.first, unit, load):
                    placed = joined
                else:
                    base = named.get(self.placement.beside.get(operation.name, ""))
                    placed = floor.place_unit_lanes(
                        need.lanes,
                        need.shards,
                        room.first,
                        unit,
                        load,
                        self._near(need, lanes, base),
                        operation.name,
                        ceil_div(need.memory_bits, need.shards),
                    )
            lanes[operation.index] = placed
        return lanes

    def _near(self, need: Need, lanes: dict[int, list[Lane]], base: int | None) -> list[int]:
        """For each lane of a digital operation the tile from which most of its input comes.

        base: an operation beside which it is to stand.
        """
        operation = need.operation
        if base in lanes:
            return [lanes[base][0].home] * need.lanes
        for feed in operation.feeds:
            if feed.producer not in lanes:
                continue
            source = lanes[feed.producer]
            columns = columns_of(operation, need.lanes, self.ops[feed.producer].shape)
            if columns is not None:
                layer = columns.layer
                middle = layer.kernel[1] // 2 * layer.dilation[1] - layer.padding[1]
                wanted = [lane * layer.stride[1] + middle for lane in range(need.lanes)]
                return [source[w % len(source)].home for w in wanted]
            if feed.one_to_one and need.lanes > 1:
                return [source[lane % len(source)].home for lane in range(need.lanes)]
            return [source[0].home] * need.lanes
        return [0] * need.lanes


def most_useful(trace: Trace) -> int | None:
    """Copies of a layer that can work at the same time, None if nothing limits them.

    Where more positions are generated than were there before, those that are generated set the
    time; of each sequence one is under way, and further copies would lengthen its way.
    """
    generation = trace.generation
    if generation is None or generation.decode <= generation.prompt:
        return None
    return generation.sequences


def _assign_units(arch: Architecture, plan: Plan) -> None:
    """Which unit does the digital work of each operation, given what else its tiles have to do."""
    tiles = plan.chips * arch.chip.tile.count
    loads = Loads(arch, tiles, plan.interval)
    for operation, need in zip(plan.operations, plan.needs, strict=True):
        index = operation.index
        if index not in plan.lanes:
            continue
        lanes = plan.lanes[index]
        share = operation.positions / len(lanes)
        homes = np.array([lane.home for lane in lanes], np.int64)
        everywhere = np.array([part.tile for lane in lanes for part in lane.parts], np.int64)
        asked: dict[str, tuple[dict[str, float], np.ndarray[tuple[int], np.dtype[np.int64]]]] = {}
        if need.memory_bits and need.unit is not None:
            loads.add(need.unit, need.work, everywhere, share / need.shards)
        elif need.unit is not None:
            asked["work"] = {k: v / need.shards for k, v in need.work.items()}, everywhere
        if operation.recurrent:
            asked["gates"] = dict(need.work), homes
        if need.weights is not None:
            adds = additions([p.widths for p in need.pes])
            if adds:
                asked["sums"] = {"add": adds / len(lanes[0].parts)}, everywhere
        leaving = everywhere if need.weights is None else homes
        for fused in operation.fused:
            work = primitives(fused, [operation.shape], operation.shape)
            asked[fused.name] = {k: v / need.shards for k, v in work.items()}, leaving
        for role, (work, where) in asked.items():
            unit = loads.take(work, where, share)
            assert unit is not None  # checked when the needs were listed
            plan.units[index, role] = unit
        need.unit = plan.units.get((index, "work"), need.unit)


def _too_large(arch: Architecture, needs: list[Need], chips: int, reason: NoRoom) -> InputError:
    if not reason.chips_help:
        return InputError(
            f"{reason}: the model does not fit on {arch.name}.",
            fix="Give the tile's buffer more capacity.",
        )
    if " free in the " in str(reason):
        return InputError(
            f"{reason}: the adapters do not fit on {chips} chip{'s' if chips > 1 else ''} of "
            f"{arch.name}.",
            fix="Use a lower rank, fewer modules, more chips or a unit with more capacity.",
        )
    pe = roles(arch.chip.tile.pe)
    needed = sum(n.arrays for n in needs)
    present = chips * arch.chip.tile.count * arch.chip.tile.pe.count * pe.planes
    pes = sum(len(n.pes) for n in needs)
    detail = f" ({reason})" if str(reason) else ""
    return InputError(
        f"the model does not fit on {chips} chip{'s' if chips > 1 else ''} of {arch.name}: it "
        f"needs {needed} arrays in {pes} PEs, {present} arrays in {present // pe.planes} "
        f"PEs are present{detail}.",
        fix="Use --chips auto to take as many chips as it needs, a larger architecture, or "
        "--weights turns to write weights as they are needed.",
    )
