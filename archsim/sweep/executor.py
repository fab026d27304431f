"""Points to workers in chunks, and what became of them back, in whatever order they finish."""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from archsim.errors import InputError
from archsim.schema.expression import parse_expression
from archsim.sweep.inputs import Inputs, tool_version
from archsim.sweep.points import FAILED, Point, together
from archsim.sweep.worker import Outcome, WrongVersion, run_point, run_points
from archsim.system.packages import need

CHUNK_SECONDS = 1.0  # handing a chunk out and back takes some 10 ms
LARGEST_CHUNK = 1000
LONGER = 16  # points that a chunk may have beyond its time, so that a structure is mapped once
AHEAD = 2  # chunks in flight per thread, so that no worker waits for the next one
Progress = Callable[[str], None]


class SchedulerLost(InputError):
    """The scheduler went away in the middle of a sweep."""


def run_here(
    inputs: Inputs, points: Sequence[Point], constraints: Sequence[str]
) -> Iterator[list[Outcome]]:
    """Simulate points in this process, one by one."""
    parsed = [parse_expression(text) for text in constraints]
    for point in together(points):
        yield [run_point(inputs, point, parsed)]


class DaskExecutor:
    """Runs points on the workers of a client; keeps the inputs on the cluster between batches."""

    def __init__(self, client: Any, inputs: Inputs, constraints: Sequence[str]) -> None:
        self._client, self._constraints = client, list(constraints)
        # A task, not scattered data: if its only copy dies with a worker, it is made again.
        self._inputs = client.submit(_unchanged, inputs, pure=False)
        self._latest: deque[float] = deque(maxlen=50)  # seconds of single points
        self._seconds: float | None = None
        self._known_threads, self._asked = 1, -math.inf

    def run(self, points: Sequence[Point]) -> Iterator[list[Outcome]]:
        """Simulate points; yields what became of them as chunks finish.

        A chunk whose worker dies again and again is split, and a single such point is `failed`.
        Raises SchedulerLost, or WrongVersion if a worker has other code.
        """
        waiting, running = deque(together(points)), dict[Any, list[Point]]()
        try:
            while waiting or running:
                while waiting and len(running) < AHEAD * self._threads():
                    chunk = self._take(waiting)
                    running[self._submit(chunk)] = chunk
                for future in self._finished(list(running)):
                    chunk = running.pop(future)
                    outcomes = self._result(future, chunk, running)
                    if outcomes:
                        self._learn(outcomes)
                        yield outcomes
        finally:
            if running:
                self._cancel(list(running))

    def _submit(self, chunk: list[Point]) -> Any:
        try:
            return self._client.submit(
                run_points, self._inputs, chunk, self._constraints, tool_version(), pure=False
            )
        except Exception as fault:
            raise self._lost() from fault

    def _take(self, waiting: deque[Point]) -> list[Point]:
        """As many points as take CHUNK_SECONDS, but not so many that a worker is left idle.

        Points of the last one's structure are added, for they take a fraction of its time.
        """
        size = 1
        if self._seconds is not None:
            size = math.floor(CHUNK_SECONDS / max(self._seconds, 1e-6))
            share = len(waiting) / (AHEAD * self._threads())
            size = max(1, min(size, LARGEST_CHUNK, math.ceil(share)))
        chunk = [waiting.popleft() for _ in range(min(size, len(waiting)))]
        while (
            waiting and waiting[0].structure == chunk[-1].structure and len(chunk) < size + LONGER
        ):
            chunk.append(waiting.popleft())
        return chunk

    def _threads(self) -> int:
        """Threads of all workers, asked for once a second; at least one."""
        if time.monotonic() - self._asked > 1:
            try:
                self._known_threads = max(sum(self._client.nthreads().values()), 1)
            except (OSError, ValueError) as fault:  # ValueError: the client is closed
                raise self._lost() from fault
            self._asked = time.monotonic()
        return self._known_threads

    def _alive(self) -> bool:
        return bool(self._client.status == "running")

    def _finished(self, futures: list[Any]) -> list[Any]:
        """Futures that are over, at least one; returns when a second has passed, too."""
        distributed = need("distributed", "a sweep")
        try:
            done = list(distributed.wait(futures, timeout=1, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            done = []
        except Exception as fault:  # CancelledError, CommClosedError: told apart by what is left
            if not self._alive():
                raise self._lost() from fault
            done = [f for f in futures if f.done()]
        if not self._alive():
            raise self._lost()
        return done

    def _result(
        self, future: Any, chunk: list[Point], running: dict[Any, list[Point]]
    ) -> list[Outcome]:
        distributed = need("distributed", "a sweep")
        if future.status in ("cancelled", "lost"):
            raise self._lost()
        try:
            found: list[Outcome] = future.result()
            return found
        except WrongVersion:
            raise
        except distributed.KilledWorker:
            if len(chunk) == 1:
                reason = "the worker died every time; it may have run out of memory"
                return [Outcome(chunk[0].index, FAILED, reason)]
            for point in chunk:
                running[self._submit([point])] = [point]
            return []
        except Exception as fault:
            if not self._alive():
                raise self._lost() from fault
            if isinstance(fault, ImportError) or "deserialization" in str(fault):
                raise InputError(
                    f"the scheduler or a worker can't load archsim: {fault.__cause__ or fault}.",
                    fix="Install the same archsim on all machines and start them again.",
                ) from fault
            raise

    def _learn(self, outcomes: list[Outcome]) -> None:
        # A median, for the first point of a worker also loads or compiles the kernel.
        self._latest.extend(outcome.wall_s for outcome in outcomes)
        self._seconds = statistics.median(self._latest)

    def _cancel(self, futures: list[Any]) -> None:
        with contextlib.suppress(Exception):
            if self._alive():
                self._client.cancel(futures, force=True)

    def _lost(self) -> SchedulerLost:
        return SchedulerLost(
            "the scheduler does not answer any more.",
            fix="What was finished is kept: start a scheduler and go on with --resume.",
        )


def _unchanged(inputs: Inputs) -> Inputs:
    return inputs
