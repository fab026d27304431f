"""Writes stages of a lane: the one place that knows resources, ticks and actions together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import overload

from archsim.components.base import Work
from archsim.mapping.actions import ActionTable
from archsim.mapping.clock import ticks
from archsim.mapping.growth import Growth
from archsim.program import Block, ProgramBuilder

MOST_BEATS = 8  # pieces that a long transfer is cut into, so that the next step can start early
LONG = 128  # cycles; at ISAAC's 1.2 GHz about one array read


def beats_of(cycles: int) -> int:
    """Equal pieces of a long transfer: the largest divisor of its cycles up to MOST_BEATS."""
    if cycles < LONG:
        return 1
    return max(d for d in range(1, MOST_BEATS + 1) if cycles % d == 0)


class ResourceNames(Sequence[str]):
    """Names such as `adc[3][0][1]`, made when they are read: few runs ask for any."""

    def __init__(self, places: list[tuple[object, ...]]):
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [_name(place) for place in self.places[index]]
        return _name(self.places[index])


def _name(place: tuple[object, ...]) -> str:
    path, *key = place
    return str(path).rsplit(".", 1)[-1] + "".join(f"[{k}]" for k in key)


@dataclass
class PEBlock:
    """The stages of one PE, to be written again for other PEs that hold alike shares.

    places: of its resources, without tile and PE; arrays: which of them are arrays.
    """

    block: Block
    places: list[tuple[str, tuple[object, ...]]]
    arrays: list[int]


@dataclass
class Writer:
    """Resources by key, made when first used; stages of the lane that is open.

    places: (component path, tile, PE ...) of each resource; layer: on whose behalf the stages
    work; growth: how their work grows along a sequence; table: the growth table of the open flow.
    """

    tick: float
    places: list[tuple[object, ...]] = field(default_factory=list)
    actions: ActionTable = field(default_factory=ActionTable)
    builder: ProgramBuilder = field(init=False)
    layer: str = ""
    growth: Growth | None = None
    table: tuple[int, ...] = ()
    _resources: dict[tuple[object, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = ProgramBuilder(names=ResourceNames(self.places))

    def resource(self, path: str, *key: object, servers: int = 1) -> int:
        """The resource of a component at a place (tile, PE, array ...)."""
        full = (path, *key)
        if full not in self._resources:
            self._resources[full] = self.builder.resource(servers=servers)
            self.places.append(full)
        return self._resources[full]

    def known(self, path: str, *key: object) -> bool:
        """Whether a component at a place has a resource already."""
        return (path, *key) in self._resources

    def remember(self, first_stage: int, first_resource: int, arrays: list[int]) -> PEBlock:
        """The stages of a PE just written; arrays: its arrays' resources."""
        places = [(str(path), tuple(key)) for path, _, _, *key in self.places[first_resource:]]
        block = self.builder.block(first_stage, first_resource)
        return PEBlock(block, places, [a - first_resource for a in arrays])

    def again(self, pe_block: PEBlock, tile: int, pe: int, outside: int) -> list[int]:
        """Write a PE's stages for another PE behind a stage; returns its arrays' resources."""
        _, first = self.builder.again(pe_block.block, outside)
        for offset, (path, key) in enumerate(pe_block.places):
            full = (path, tile, pe, *key)
            self._resources[full] = first + offset
            self.places.append(full)
        return [first + a for a in pe_block.arrays]

    @contextmanager
    def growing(self, growth: Growth | None) -> Iterator[None]:
        """Stages written inside grow along the sequence."""
        self.growth, before = growth, self.growth
        yield
        self.growth = before

    def stage(
        self,
        resource: int,
        seconds: float,
        bill: Sequence[tuple[str, str, float]],
        *,
        cycles: int = 1,
        beats: int = 1,
        hold: bool = False,
        parents: Sequence[int] = (),
    ) -> int:
        """A stage of `beats` services of `cycles` periods of `seconds`; bill per beat."""
        service, slope = cycles * ticks(seconds, self.tick), 0
        if self.growth is not None:
            share = self.growth.mean
            bill = [(path, action, amount * share) for path, action, amount in bill]
            if self.growth.table == self.table:
                service, slope = self.growth.service(service)
            else:  # the flow's steps are those of another mask
                service = round(service * share)
        return self.builder.stage(
            resource,
            service,
            slope=slope,
            beats=beats,
            hold=hold,
            action=self.actions.id(self.layer, bill),
            count=1,
            parents=parents,
        )

    def idle(self, path: str, *key: object) -> int:
        """A stage that takes no time and waits for nobody, for a lane with nothing to do."""
        return self.stage(self.resource(path, "idle", *key), 0.0, [])

    def work(
        self, path: str, key: Sequence[object], work: Work, parents: Sequence[int] = ()
    ) -> int:
        """A stage that does one piece of work on a component, cut into beats if it is long."""
        beats = beats_of(work.cycles)
        if beats == 1:
            return self.repeat(path, key, work, 1, parents)
        piece = replace(
            work,
            cycles=work.cycles // beats,
            actions={action: amount / beats for action, amount in work.actions.items()},
        )
        return self.repeat(path, key, piece, beats, parents)

    def repeat(
        self,
        path: str,
        key: Sequence[object],
        work: Work,
        beats: int,
        parents: Sequence[int] = (),
    ) -> int:
        """A stage that does the same work on a component in each of its beats."""
        return self.stage(
            self.resource(path, *key, servers=work.servers),
            work.period,
            [(path, action, amount) for action, amount in work.actions.items()],
            cycles=work.cycles,
            beats=beats,
            parents=parents,
        )
