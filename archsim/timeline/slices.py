"""Collects services as slices, and merges more of them whenever there are too many."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from archsim.program import Ints, Program
from archsim.timeline.model import COLUMNS, SERVICES, START, TRACK, Track
from archsim.timeline.tracks import DIVISIONS, Division, Places, divide

LEAST_PER_TRACK = 12  # with fewer slices to a track, tracks are put together
LONGEST_GAP = 1000  # the share 1 / LONGEST_GAP of the time so far; before, tracks are put together
KEPT = 0.6  # of the limit, after merging, so that it is not needed again at once


class Slices:
    """Slices of a run on tracks of its units, never more than `limit` and one per track.

    While all fit, a track is one server and a slice one instance's work on it. From then on a track
    stands for all instances of a component in a PE, tile or chip, and pauses up to `gap` ticks are
    drawn as work; the gap grows as often as needed. Busy ticks stay exact throughout.
    """

    def __init__(self, program: Program, places: Places, tiles_per_chip: int, limit: int):
        from archsim.engine.cache import prepare_cache

        prepare_cache()
        from archsim.timeline import kernel

        self._kernel: ModuleType = kernel
        self._program, self._places = program, places
        self._tiles_per_chip, self._limit = tiles_per_chip, limit
        self._first = np.concatenate([[0], np.cumsum(program.resource_servers)]).astype(np.int64)
        self._servers = np.zeros((int(self._first[-1]), 4), np.int64)
        self._stages = np.stack(
            [
                program.stage_flow(),
                program.stage_resource,
                program.stage_hold,
                program.stage_beats,
            ],
            axis=1,
        ).astype(np.int64)
        self.level, self.gap, self._now = 0, 0, 0
        self._division = self._divide()
        self._opened = self._empty()
        self._closed: list[Ints] = []
        self._count = 0

    @property
    def tracks(self) -> list[Track]:
        """What the track numbers mean, as merged so far."""
        return self._division.tracks

    @property
    def merged(self) -> str:
        """What one track stands for."""
        return DIVISIONS[self.level]

    def add(self, services: Ints) -> None:
        """Services (k, 4) of (stage, instance, start, end), in the order of their start."""
        for at in range(0, len(services), self._limit):
            rows = services[at : at + self._limit]
            out = np.empty((2 * len(rows) + 1, COLUMNS), np.int64)
            count = self._kernel.feed_services(
                rows,
                self._stages,
                self._servers,
                self._first,
                self._division.of_server,
                self._opened,
                out,
                self.gap,
            )
            self._keep(out[:count])
            self._now = int(rows[-1, 2])
            if self._total() > self._limit:
                self._merge()

    def table(self) -> Ints:
        """All slices (k, COLUMNS), by track and start."""
        if self._total() > self._limit:
            self._merge()
        return _sorted(np.concatenate([*self._closed, self._still_open()]))

    def _divide(self) -> Division:
        servers = self._program.resource_servers
        return divide(servers, self._places, self._tiles_per_chip, self.level)

    def _empty(self) -> Ints:
        return np.zeros((len(self.tracks), COLUMNS + 1), np.int64)

    def _still_open(self) -> Ints:
        return self._opened[self._opened[:, SERVICES] > 0, :COLUMNS]

    def _total(self) -> int:
        return self._count + int((self._opened[:, SERVICES] > 0).sum())

    def _keep(self, rows: Ints) -> None:
        if len(rows):
            self._closed.append(rows.copy())
            self._count += len(rows)

    def _merge(self) -> None:
        """Put tracks together, then lengthen the gap, until few enough slices are left."""
        while True:
            rows = np.concatenate([*self._closed, self._still_open()])
            crowded = len(np.unique(rows[:, TRACK])) * LEAST_PER_TRACK > self._limit
            blurred = self.level == 1 and self.gap * LONGEST_GAP > self._now
            if self.level == 0 or blurred or (crowded and self.level < len(DIVISIONS) - 1):
                rows = self._coarser(rows)
            else:
                self.gap = max(self.gap * 5 // 4, self._now // 2**16, self.gap + 1)
            self._opened, self._closed, self._count = self._empty(), [], 0
            out = np.empty((2 * len(rows) + 1, COLUMNS), np.int64)
            self._keep(out[: self._kernel.feed_slices(rows, self._opened, out, self.gap)])
            used = int((self._opened[:, SERVICES] > 0).sum())
            if self._total() <= max(KEPT * self._limit, 1.5 * used):
                return

    def _coarser(self, rows: Ints) -> Ints:
        """The work on the tracks of the next level; waiting is not shown there."""
        to = np.zeros(len(self.tracks), np.int64)
        before = self._division.of_server
        self.level += 1
        self._division = self._divide()
        to[before] = self._division.of_server
        rows = rows[rows[:, SERVICES] > 0]
        rows[:, TRACK] = to[rows[:, TRACK]]
        return _sorted(rows)


def _sorted(rows: Ints) -> Ints:
    return rows[np.lexsort((rows[:, START], rows[:, TRACK]))]
