"""Writes stages of a lane: the one place that knows resources, ticks and actions together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from archsim.components.base import Work
from archsim.mapping.actions import ActionTable
from archsim.mapping.clock import ticks
from archsim.program import ProgramBuilder

MOST_BEATS = 8  # pieces that a long transfer is cut into, so that the next step can start early
LONG = 128  # cycles; at ISAAC's 1.2 GHz about one array read


def beats_of(cycles: int) -> int:
    """Equal pieces of a long transfer: the largest divisor of its cycles up to MOST_BEATS."""
    if cycles < LONG:
        return 1
    return max(d for d in range(1, MOST_BEATS + 1) if cycles % d == 0)


@dataclass
class Writer:
    """Resources by key, made when first used; stages of the lane that is open."""

    tick: float
    builder: ProgramBuilder = field(default_factory=ProgramBuilder)
    actions: ActionTable = field(default_factory=ActionTable)
    resource_part: list[str] = field(default_factory=list)  # component path by resource
    layer: str = ""
    _resources: dict[tuple[object, ...], int] = field(default_factory=dict)

    def resource(self, path: str, *key: object, servers: int = 1) -> int:
        """The resource of a component at a place (tile, PE, array ...)."""
        full = (path, *key)
        if full not in self._resources:
            name = path.rsplit(".", 1)[-1] + "".join(f"[{k}]" for k in key)
            self._resources[full] = self.builder.resource(name, servers)
            self.resource_part.append(path)
        return self._resources[full]

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
        return self.builder.stage(
            resource,
            cycles * ticks(seconds, self.tick),
            beats=beats,
            hold=hold,
            action=self.actions.id(self.layer, bill),
            count=1,
            parents=parents,
        )

    def work(
        self, path: str, key: Sequence[object], work: Work, parents: Sequence[int] = ()
    ) -> int:
        """A stage that does one piece of work on a component, cut into beats if it is long."""
        beats = beats_of(work.cycles)
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
