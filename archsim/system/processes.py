"""Work spread over processes that end with this one, however it ends."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from archsim.errors import InputError

J = TypeVar("J")
R = TypeVar("R")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOOK = 0.2  # seconds between two calls of `idle`


def spread(
    work: Callable[..., R],
    jobs: Mapping[str, J],
    workers: int,
    given: Sequence[Any] = (),
    idle: Callable[[], None] | None = None,
) -> Iterator[tuple[str, R]]:
    """`work(job, *given)` for every job, by name, as they are done.

    given: sent once to each process; idle: called now and then meanwhile, in this process. Raises
    what a job raises, and InputError if a process dies. Ctrl-C ends the processes.
    """
    with _pool(workers, work, given) as pool:
        names = {pool.submit(_in_worker, job): name for name, job in jobs.items()}
        waiting: set[Future[Any]] = set(names)
        while waiting:
            limit = None if idle is None else LOOK
            finished, waiting = wait(waiting, limit, return_when=FIRST_COMPLETED)
            for future in finished:
                try:
                    yield names[future], future.result()
                except BrokenProcessPool:
                    raise InputError(
                        "a process that simulated died; it may have run out of memory.",
                        fix="Use --workers 1.",
                    ) from None
            if idle is not None:
                idle()


def channel() -> Any:
    """A queue that `given` may hold: a job puts what `idle` gets."""
    return multiprocessing.get_context("spawn").SimpleQueue()


@contextmanager
def _pool(
    workers: int, work: Callable[..., Any], given: Sequence[Any]
) -> Iterator[ProcessPoolExecutor]:
    before: Sequence[Any] = multiprocessing.active_children()
    # Spawned, because a progress bar's thread runs in this process, which a fork might deadlock on.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare, initargs=(work, given)
    )
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            if process not in before:
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


_mine: list[Any] = []  # in a worker: what it does, and what it was given


def _prepare(work: Callable[..., Any], given: Sequence[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; one answers
    end_with_parent()
    _mine[:] = [work, given]


def end_with_parent() -> None:
    """Let this process end when the one that started it does, even if that one was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        # The kernel does it at once, also while compiled code holds the interpreter.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def watch() -> None:
        parent.join()  # waits for the end of a pipe that the parent holds
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _in_worker(job: Any) -> Any:
    work, given = _mine
    return work(job, *given)
