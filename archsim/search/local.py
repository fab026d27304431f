"""Local search: change how often one operation stands on the chip, keep what is better.

The budget counts events and stages of the runs, not seconds, so that the same seed gives the same
mapping on any machine. Where all combinations of copies fit into the budget, all are tried.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.mapping.choice import Choice, Share
from archsim.mapping.columns import lane_counts
from archsim.mapping.graph import operations
from archsim.mapping.needs import Need
from archsim.mapping.options import MapOptions
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.mapping.plan import plan
from archsim.options import RunOptions
from archsim.search.objective import Judged, judge
from archsim.trace.model import Trace

BUDGET = {1: 8_000_000, 2: 60_000_000}  # events and stages; about 10 s and 60 s on two cores
MOST_TRIES = {1: 60, 2: 600}


def search(
    arch: Architecture, trace: Trace, run: RunOptions, placement: Placement = AS_USUAL
) -> Choice:
    """The best choice found for the objective of the options, within their effort.

    It starts from the rules' choice and never ends with a worse one.
    """
    return _Search(arch, trace, run, placement).run()


class _Search:
    def __init__(
        self, arch: Architecture, trace: Trace, run: RunOptions, placement: Placement
    ) -> None:
        self.arch, self.trace, self.options, self.placement = arch, trace, run, placement
        ops = operations(trace, placement.groups)
        start = plan(arch, trace, ops, run.only(MapOptions), placement)
        self.start, self.chips = start.choice(), start.chips
        self.needs = {n.operation.name: n for n in start.needs}
        self.pes = start.chips * arch.chip.tile.count * arch.chip.tile.pe.count
        self.left, self.tries = BUDGET[run.effort], MOST_TRIES[run.effort]
        self.random = random.Random(run.search_seed)
        self.seen: dict[str, float] = {}
        self.best, self.best_figure = self.start, float("inf")

    def run(self) -> Choice:
        first = self._try(self.start)
        if first is None or not self.options.replicate:
            return self.start
        combinations = list(itertools.islice(self._combinations(), self.tries))
        if len(combinations) * first.effort <= self.left and len(combinations) < self.tries:
            for shares in combinations:
                self._try(Choice(shares=shares))
        else:
            for other in (Choice(pace=2 * self.start.pace), Choice(pace=4 * self.start.pace)):
                self._try(other)
        while self._open() and self._round():
            pass
        return self.best

    def _open(self) -> bool:
        return self.left > 0 and self.tries > 0

    def _try(self, choice: Choice) -> Judged | None:
        """Judge a choice and keep it if it is the best so far."""
        key = repr(sorted((n, s.copies, s.shards) for n, s in choice.shares.items()))
        key += repr(choice.pace)
        if key in self.seen or not self._open():
            return None
        self.tries -= 1
        options = self.options.model_copy(update={"choice": choice, "chips": self.chips})
        try:
            judged = judge(self.arch, self.trace, options, self.placement)
        except InputError:
            self.seen[key] = float("inf")
            return None
        self.left -= judged.effort
        figure = self.seen[key] = judged.of(self.options.objective)
        if figure < self.best_figure:
            self.best, self.best_figure = choice, figure
        return judged

    def _round(self) -> bool:
        """Try the neighbours of the best choice; True once one of them is better."""
        if not self.best.shares:  # found by its pace alone: look what the rules made of it
            ops = operations(self.trace, self.placement.groups)
            options = self.options.only(MapOptions).model_copy(
                update={"choice": self.best, "chips": self.chips}
            )
            made = plan(self.arch, self.trace, ops, options, self.placement)
            self.best = made.choice()
        before = self.best_figure
        neighbours = list(self._neighbours(self.best))
        self.random.shuffle(neighbours)
        for choice in neighbours:
            if not self._open():
                return False
            self._try(choice)
            if self.best_figure < before:
                return True
        return False

    def _neighbours(self, choice: Choice) -> Iterator[Choice]:
        for name, share in choice.shares.items():
            need = self.needs[name]
            for other in _steps(need, share):
                changed = choice.with_share(name, other)
                if self._taken(changed) <= self.pes:
                    yield changed
                    continue
                for giver, given in choice.shares.items():  # or in exchange for another's copies
                    fewer = [s for s in _steps(self.needs[giver], given) if s.copies < given.copies]
                    if giver == name or self.needs[giver].weights is None or not fewer:
                        continue
                    traded = changed.with_share(giver, fewer[0])
                    if self._taken(traded) <= self.pes:
                        yield traded

    def _taken(self, choice: Choice) -> int:
        return sum(s.copies * len(self.needs[name].pes) for name, s in choice.shares.items())

    def _combinations(self) -> Iterator[dict[str, Share]]:
        """All numbers of copies of all array layers that the PEs hold together."""
        layers = [n for n in self.needs.values() if n.weights is not None]
        spare = self.pes - sum(len(n.pes) for n in layers)

        def from_here(at: int, left: int) -> Iterator[dict[str, Share]]:
            if at == len(layers):
                yield {}
                return
            name, size = layers[at].operation.name, len(layers[at].pes)
            for count in lane_counts(layers[at].operation):
                if (count - 1) * size > left:
                    break
                for rest in from_here(at + 1, left - (count - 1) * size):
                    yield {name: Share(copies=count), **rest}

        return from_here(0, spare)


def _steps(need: Need, share: Share) -> list[Share]:
    """The nearest other shares: copies one step down and up, shards one divisor down and up."""
    copies = lane_counts(need.operation) if need.weights is not None else None
    found = []
    if copies is not None and share.copies in copies:
        at = copies.index(share.copies)
        found += [Share(copies=copies[i], shards=share.shards)
                  for i in (at - 1, at + 1) if 0 <= i < len(copies)]  # fmt: skip
        return found
    most = need.operation.positions
    for count in (share.copies // 2, share.copies * 2):
        if 1 <= count <= most and count != share.copies:
            found.append(Share(copies=count, shards=share.shards))
    divisors = [d for d in range(1, need.most_shards + 1) if need.most_shards % d == 0]
    if share.shards in divisors:
        at = divisors.index(share.shards)
        found += [Share(copies=share.copies, shards=divisors[i])
                  for i in (at - 1, at + 1) if 0 <= i < len(divisors)]  # fmt: skip
    return found
