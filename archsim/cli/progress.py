"""The progress bar of a command, on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Report = Callable[[str, int, int], None]


@contextlib.contextmanager
def progress_bar(wanted: bool, unit: str = "vectors") -> Iterator[Report | None]:
    """A function (phase, done, total), or None where nobody would see a bar.

    unit: what is counted; input vectors in `archsim.simulate(progress=...)`.
    """
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("loading", total=None, done="")

        def report(phase: str, done: int, total: int) -> None:
            bar.update(task, description=phase)
            if total:
                shown = f"{done:,}/{total:,} {unit}"
                bar.update(task, completed=done, total=total, done=shown)

        yield report
