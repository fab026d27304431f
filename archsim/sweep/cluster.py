"""Where points run: a Dask client on local processes, a scheduler that runs already, or jobs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, Literal

from archsim.errors import InputError
from archsim.sweep.model import Cluster
from archsim.system.packages import need

Kind = Literal["local", "slurm", "pbs"]
ANSWER_SECONDS = 10
START_SCHEDULER = (
    "Start one with `dask scheduler` (pip install distributed) and workers with "
    "`dask worker tcp://HOST:8786 --nthreads 1`, or leave out --scheduler."
)
# A point that kills its worker three times is given up; a stalled network is not a dead worker.
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 2,
    "distributed.comm.timeouts.connect": f"{ANSWER_SECONDS}s",
    # One engine thread per worker uses memory of its own accord; nothing may be spilled or paused.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}


@dataclass(frozen=True)
class Workers:
    """Which workers a sweep uses. count: local processes or jobs; scheduler: an address."""

    count: int | None = None
    scheduler: str | None = None
    kind: Kind = "local"

    @property
    def number(self) -> int:
        """Local workers or jobs to start."""
        if self.count:
            return self.count
        return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextlib.contextmanager
def connected(workers: Workers, cluster: Cluster, say: Callable[[str], None]) -> Iterator[Any]:
    """A distributed.Client; InputError if there is no scheduler or no worker.

    say: told what is being waited for.
    """
    need("distributed", "a sweep")  # which adds its own settings to dask's
    _silence()
    with need("dask", "a sweep").config.set(_SETTINGS):
        if workers.scheduler is not None:
            with _existing(workers.scheduler) as client:
                yield client
        elif workers.kind == "local":
            with _local(workers.number) as client:
                yield client
        else:
            with _jobs(workers, cluster, say) as client:
                yield client


@contextlib.contextmanager
def _existing(address: str) -> Iterator[Any]:
    distributed = need("distributed", "a sweep")
    shown = f"--scheduler {address}"
    try:
        _ask(address)
        client = distributed.Client(address, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, TimeoutError):
        raise InputError(
            f"no scheduler answers within {ANSWER_SECONDS} s.", shown, START_SCHEDULER
        ) from None
    except (ValueError, TypeError) as fault:
        raise InputError(
            f"this is not the address of a scheduler: {fault}.", shown, "Write tcp://HOST:PORT."
        ) from None
    with _closing(client):
        try:
            client.wait_for_workers(1, timeout=ANSWER_SECONDS)
        except TimeoutError:
            raise InputError(
                f"the scheduler has no worker after {ANSWER_SECONDS} s.",
                shown,
                f"Start workers: `dask worker {address} --nthreads 1`.",
            ) from None
        yield client


def _ask(address: str) -> None:
    """See that a scheduler answers at an address; TimeoutError, OSError or ValueError if not.

    The client's own timeout does not cover something that takes the connection and is silent.
    """
    distributed = need("distributed", "a sweep")

    async def ask() -> None:
        async with distributed.rpc(address) as scheduler:
            await asyncio.wait_for(scheduler.identity(), ANSWER_SECONDS)

    # In a thread, for there may be a running event loop here, as in a notebook.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, ask()).result()


@contextlib.contextmanager
def _local(count: int) -> Iterator[Any]:
    distributed = need("distributed", "a sweep")
    with _deaf_to_interrupts():
        cluster = distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
            silence_logs=logging.CRITICAL + 1,
        )
    with (
        contextlib.closing(cluster),
        _closing(distributed.Client(cluster, set_as_default=False)) as client,
    ):
        yield client


@contextlib.contextmanager
def _jobs(workers: Workers, given: Cluster, say: Callable[[str], None]) -> Iterator[Any]:
    distributed = need("distributed", "a sweep")
    cluster = job_cluster(workers.kind, given)
    with (
        contextlib.closing(cluster),
        _closing(distributed.Client(cluster, set_as_default=False)) as client,
    ):
        cluster.scale(jobs=workers.number)
        say(f"waiting for the first of {workers.number} {workers.kind} jobs")
        client.wait_for_workers(1)  # a queue may take hours
        yield client


def job_cluster(kind: Kind, given: Cluster) -> Any:
    """A dask-jobqueue cluster without jobs yet; InputError for settings that it refuses."""
    jobqueue = need("dask_jobqueue", f"a sweep on {kind} jobs")
    # One process and one thread per core, for the engine is single-threaded.
    settings: dict[str, Any] = {
        "queue": given.queue,
        "account": given.account,
        "cores": given.cores,
        "processes": given.cores,
        "memory": given.memory.replace(" ", ""),
        "walltime": given.walltime,
        "interface": given.interface,
        "python": given.python,
        "job_script_prologue": given.prologue or None,
        "job_extra_directives": given.directives or None,
        "scheduler_options": {"dashboard_address": ":0"},
    }
    make = {"slurm": jobqueue.SLURMCluster, "pbs": jobqueue.PBSCluster}[kind]
    try:
        return make(**{name: value for name, value in settings.items() if value is not None})
    except (ValueError, TypeError, OSError) as fault:
        raise InputError(
            f"the {kind} jobs can't be set up: {fault}.", "cluster", "Correct the sweep's cluster."
        ) from None


@contextlib.contextmanager
def _closing(client: Any) -> Iterator[Any]:
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close(timeout=2)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Make threads and processes that Ctrl-C does not reach, though a terminal sends it to all.

    They inherit the signal mask of this moment; an interrupt meanwhile comes at its end.
    """
    resource_tracker.ensure_running()  # which would lift the mask when it is first needed
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _silence() -> None:
    """Dask logs every lost connection with a traceback; the sweep says itself what matters.

    For the rest of the process, since connections are also lost after the client is closed.
    """
    for name in ("distributed", "distributed.client", "distributed.core", "tornado",
                 "tornado.application", "asyncio"):  # fmt: skip
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
