"""The progress of a sweep on stderr: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.sweep.run import State

LINE_SECONDS = 30.0


@contextlib.contextmanager
def sweep_progress(wanted: bool) -> Iterator[Callable[[State, str], None]]:
    """A function that shows how far a sweep is, with its rate and the time that is left."""
    if not wanted:
        yield lambda state, text: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("planning", total=None)

            def draw(state: State, text: str) -> None:
                bar.update(task, completed=state.done, total=state.total)
                bar.update(task, description=text or line(state))

            yield draw
    else:
        shown = [time.monotonic()]

        def write(state: State, text: str) -> None:
            if text or time.monotonic() - shown[0] >= LINE_SECONDS:
                shown[0] = time.monotonic()
                print(text or line(state), file=sys.stderr, flush=True)

        yield write


def line(state: State) -> str:
    """`120/1,000 points, 4.1/s, 3 min left`; the rate is that of simulated points."""
    from archsim.report.sweep_tables import duration

    text = f"{state.done:,}/{state.total:,} points"
    if state.simulated and state.seconds > 0:
        rate = state.simulated / state.seconds
        text += f", {rate:.3g}/s, {duration((state.total - state.done) / rate)} left"
    return text
