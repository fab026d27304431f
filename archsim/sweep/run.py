"""A whole sweep: plan, look up what is known, simulate the rest, keep everything as it comes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from archsim.errors import InputError, nearest
from archsim.sweep import folder as folders
from archsim.sweep.cache import Cache
from archsim.sweep.cluster import Kind, Workers, connected
from archsim.sweep.executor import DaskExecutor, run_here
from archsim.sweep.inputs import Inputs
from archsim.sweep.model import Sweep
from archsim.sweep.names import Names
from archsim.sweep.plan import Plan
from archsim.sweep.points import EXCLUDED, FAILED, INVALID, OK, Point
from archsim.sweep.results import write_table
from archsim.sweep.search import UNMET
from archsim.sweep.space import Told
from archsim.sweep.store import Damage, Record, Store
from archsim.sweep.worker import Outcome, judge


@dataclass
class State:
    """How far a sweep is.

    total, done: points; simulated: those of this call; statuses: points by status; seconds: since
    the start; damage: what was wrong with the store; warnings: axes that change nothing.
    """

    total: int
    done: int = 0
    simulated: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    damage: Damage | None = None
    warnings: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every point has a status."""
        return self.done >= self.total


Progress = Callable[[State, str], None]  # (how far, what is being waited for or '')


def run_sweep(
    sweep: str | Path,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    cluster: str = "local",
    resume: bool = False,
    limit: int | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> State:
    """Run a sweep file into the folder `out`, or go on with the sweep of a folder.

    sweep: the file, or with `resume` the folder; workers: local processes or jobs (0: in this
    process; None: one per core); scheduler: address of a Dask scheduler; cluster: "local",
    "slurm" or "pbs"; limit: most points to simulate now; cache: use the user's cache of points.
    Raises InputError for bad input; what is finished stays in the folder whatever happens.
    """
    if cluster not in get_args(Kind):
        raise InputError(
            f"'{cluster}' is no kind of cluster.", fix=nearest(cluster, get_args(Kind))
        )
    given = Path(sweep)
    fresh = not given.is_dir() and out is not None
    if given.is_dir() and not resume:
        raise InputError("this is the folder of a sweep.", str(given), "Add --resume.")
    if not given.is_dir() and out is None and not resume:
        raise InputError("no folder is given for the results.", str(given), "Name it with --out.")
    target = given if out is None or not fresh else Path(out)
    loaded = folders.read(given) if fresh else folders.reopen(given)
    if fresh:
        folders.check(target, *loaded, resume=resume)
    model, document, inputs = loaded
    names = Names(model, document, inputs)
    plan = Plan(model, names, inputs)
    if fresh:
        folders.make(target, *loaded)
    with folders.locked(target), Store(target / folders.STORE) as store:
        job = _Job(model, plan, inputs, store, Cache(cache), progress or (lambda state, text: None))
        job.run(Workers(workers, scheduler, cluster), limit)  # type: ignore[arg-type]
        if job.state.complete:
            write_table(store, target / folders.TABLE)
    job.state.warnings = plan.warnings
    return job.state


class _Job:
    """The points of one call: which are known, which are simulated, what is told to a search."""

    def __init__(
        self,
        sweep: Sweep,
        plan: Plan,
        inputs: Inputs,
        store: Store,
        cache: Cache,
        progress: Progress,
    ) -> None:
        self._sweep, self._plan, self._inputs = sweep, plan, inputs
        self._store, self._cache, self._progress = store, cache, progress
        self._held: dict[int, tuple[str, str]] = {}  # (key, status) by index
        self._by_key: dict[str, int] = {}  # a record that equal points can be judged by
        for _, record in store.items():
            self._note(record)
        self.state = State(plan.total, damage=store.damage)
        self._begun = time.perf_counter()

    def run(self, workers: Workers, limit: int | None) -> None:
        """Go through the generations; stops early when `limit` points were simulated."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._cache.close)
            execute = self._executor(workers, stack)
            while self._finish(self._plan.points, execute, limit):
                points = self._plan.points if self._plan.searching else []
                if not self._plan.advance([self._told(point.index) for point in points]):
                    return

    def _executor(
        self, workers: Workers, stack: contextlib.ExitStack
    ) -> Callable[[Sequence[Point]], Iterator[list[Outcome]]]:
        """A function that simulates points; workers are only started when it is first called."""
        texts = [constraint.text for constraint in self._plan.constraints]
        made: list[DaskExecutor] = []

        def execute(points: Sequence[Point]) -> Iterator[list[Outcome]]:
            if workers.count == 0 and workers.scheduler is None:
                return run_here(self._inputs, points, texts)
            if not made:
                self._report("starting workers")
                client = stack.enter_context(connected(workers, self._sweep.cluster, self._report))
                made.append(DaskExecutor(client, self._inputs, texts))
            return made[0].run(points)

        return execute

    def _finish(
        self,
        points: list[Point],
        execute: Callable[[Sequence[Point]], Iterator[list[Outcome]]],
        limit: int | None,
    ) -> bool:
        """Give every point a record; False if the limit came first."""
        left = points
        while left:
            missing = self._look_up(left)
            # Equal points wait for the first of them, and are looked up again after it.
            leaders = list({point.key: point for point in reversed(missing)}.values())[::-1]
            allowed = len(leaders) if limit is None else limit - self.state.simulated
            chosen = leaders[: max(allowed, 0)]
            if chosen:
                by_index = {point.index: point for point in chosen}
                for outcomes in execute(chosen):
                    self._keep_simulated([(by_index[o.index], o) for o in outcomes])
            if len(chosen) < len(leaders):
                return False
            done = {point.index for point in chosen}
            left = [point for point in missing if point.index not in done]
        return True

    def _look_up(self, points: list[Point]) -> list[Point]:
        """Keep records of all points that need no simulation; returns the others."""
        records: list[Record] = []
        unknown: list[Point] = []
        for point in points:
            key, status = self._held.get(point.index, (None, ""))
            same = key == point.key and point.status in ("", status)
            if same and status != FAILED:
                self._count(status)
            elif point.status:
                records.append(_record(point, point.status, point.reason))
            else:
                unknown.append(point)
        cached = self._cache.get([p.key for p in unknown if p.key not in self._by_key])
        missing = []
        for point in unknown:
            known = self._from_equal(point, cached)
            missing += [point] if known is None else []
            records += [] if known is None else [known]
        self._keep(records)
        return missing

    def _from_equal(self, point: Point, cached: dict[str, dict[str, Any]]) -> Record | None:
        """A record by the result of an equal point, here or in the cache; None if there is none."""
        figures = cached.get(point.key)
        if point.key in self._by_key:
            index = str(self._by_key[point.key])
            equal = self._store.get([index])[index]
            if equal["status"] == INVALID:
                return _record(point, INVALID, equal["reason"])
            figures = equal["figures"]
        if figures is None:
            return None
        if not self._plan.constraints:
            return _record(point, OK, "", figures)
        arch = self._inputs.arch_with(point.arch)
        return _record(
            point, *judge(self._inputs, point, arch, self._plan.constraints, lambda: figures)
        )

    def _keep_simulated(self, outcomes: list[tuple[Point, Outcome]]) -> None:
        self.state.simulated += len(outcomes)
        self._cache.put({p.key: o.figures for p, o in outcomes if o.figures is not None})
        self._keep([_record(p, o.status, o.reason, o.figures, o.wall_s) for p, o in outcomes])

    def _keep(self, records: Sequence[Record]) -> None:
        if records:
            self._store.put({str(record["index"]): record for record in records})
        for record in records:
            self._note(record)
            self._count(record["status"])
        self._report("")

    def _note(self, record: Record) -> None:
        self._held[record["index"]] = (record["key"], record["status"])
        useful = record["figures"] is not None or record["status"] == INVALID
        if record["key"] and useful:
            self._by_key.setdefault(record["key"], record["index"])

    def _count(self, status: str) -> None:
        self.state.done += 1
        self.state.statuses[status] = self.state.statuses.get(status, 0) + 1

    def _report(self, text: str) -> None:
        self.state.seconds = time.perf_counter() - self._begun
        self._progress(self.state, text)

    def _told(self, index: int) -> Told:
        """What a search is told of a point that has a record."""
        record = self._store.get([str(index)])[str(index)]
        if record["status"] not in (OK, EXCLUDED) or record["figures"] is None:
            return None
        return {**record["figures"], UNMET: record["reason"].count("not met: ")}


def _record(
    point: Point,
    status: str,
    reason: str,
    figures: dict[str, Any] | None = None,
    wall_s: float = 0.0,
) -> dict[str, Any]:
    return {
        "index": point.index,
        "key": point.key,
        "status": status,
        "reason": reason,
        "settings": point.settings,
        "figures": figures,
        "wall_s": wall_s,
    }
