"""archsim sweep: simulate the points of a design space."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from archsim.cli.shipped_file import SWEEP

if TYPE_CHECKING:
    from archsim.sweep.run import State


@click.command("sweep")
@click.argument("sweep", type=SWEEP)
@click.option("--out", metavar="DIR", help="Folder of the results.")
@click.option("--resume", is_flag=True, help="Go on with a sweep that was stopped.")
@click.option("--workers", type=click.IntRange(0), metavar="N",
              help="Processes or jobs, 0: in this process.  [default: one per core]")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler that runs already.")
@click.option("--cluster", type=click.Choice(["local", "slurm", "pbs"]), default="local",
              show_default=True, help="Where workers are started.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Simulate at most N points now.")
@click.option("--no-cache", is_flag=True, help="Neither use nor fill the user's cache of points.")
@click.option("--dry-run", is_flag=True, help="Count the points and estimate the time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", is_flag=True, help="No progress, no table.")
def command(
    sweep: str,
    out: str | None,
    resume: bool,
    workers: int | None,
    scheduler: str | None,
    cluster: str,
    limit: int | None,
    no_cache: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Simulate all points of SWEEP, a sweep file or, with --resume, a folder of results."""
    from archsim.cli.sweep_progress import sweep_progress
    from archsim.sweep.run import run_sweep

    if scheduler is not None and cluster != "local":
        raise click.UsageError("--scheduler and --cluster exclude each other.")
    if dry_run:
        _dry_run(sweep, workers, not no_cache, as_json)
        return
    place = out if out is not None else sweep
    last: list[State] = []
    try:
        with sweep_progress(not quiet and not as_json) as report:

            def progress(state: State, text: str) -> None:
                last[:] = [state]
                report(state, text)

            state = run_sweep(
                sweep,
                out,
                workers=workers,
                scheduler=scheduler,
                cluster=cluster,
                resume=resume,
                limit=limit,
                cache=not no_cache,
                progress=progress,
            )
    except KeyboardInterrupt as fault:
        if not last:
            raise
        text = (
            f"interrupted; {last[0].done:,} of {last[0].total:,} points are in {place}. "
            f"Go on: archsim sweep {place} --resume"
        )
        if isinstance(fault.__context__, KeyboardInterrupt):
            # The second Ctrl-C, while workers were being stopped. They end without this process.
            click.echo(text, err=True)
            os._exit(130)
        raise KeyboardInterrupt(text) from None
    _show(state, place, as_json, quiet)


def _dry_run(sweep: str, workers: int | None, cache: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from archsim.cli.console import print_json, print_tables
    from archsim.report.sweep_tables import estimate_table
    from archsim.sweep.cluster import Workers
    from archsim.sweep.estimate import estimate

    found = estimate(sweep, workers=Workers(workers).number, cache=cache)
    if as_json:
        print_json(asdict(found))
    else:
        print_tables(estimate_table(found))


def _show(state: State, out: str, as_json: bool, quiet: bool) -> None:
    from archsim.cli.console import print_json, print_tables, warn
    from archsim.report.sweep_tables import summary

    warn(state.warnings)
    if state.damage is not None:
        click.echo(state.damage.text(), err=True)
    if as_json:
        rate = 3600 * state.simulated / state.seconds if state.seconds else 0.0
        print_json(
            {
                "out": out,
                "points": state.total,
                "done": state.done,
                "statuses": state.statuses,
                "simulated": state.simulated,
                "wall_s": state.seconds,
                "points_per_hour": rate,
                "complete": state.complete,
                "warnings": list(state.warnings),
            }
        )
    elif not quiet:
        print_tables(summary(state))
        click.echo(f"{state.simulated:,} simulated in {state.seconds:.1f} s; results: {out}")
