"""archsim bench reproduce."""

from __future__ import annotations

import os

import click


@click.command("reproduce")
@click.argument("systems", nargs=-1)
@click.option("--workers", type=click.IntRange(1, 1000), metavar="N",
              help="Processes for all together. [default: one per core]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(systems: tuple[str, ...], workers: int | None, as_json: bool) -> None:
    """Time the published experiments of SYSTEMS, or of all: alone, from kept values, together.

    Nothing here decides about success.
    """
    from operator import attrgetter

    from archsim.bench.reproduce_bench import reproduce_bench
    from archsim.cli.console import print_json, print_tables
    from archsim.tables.table import Column, Table

    number = workers or len(os.sched_getaffinity(0))
    found = reproduce_bench(systems, number, lambda name: click.echo(f"{name} ...", err=True))
    if as_json:
        print_json(found.model_dump())
        return
    columns = (
        Column("system", "system", attrgetter("system")),
        Column("figures", "figures", attrgetter("figures"), right=True),
        Column("wall_s", "seconds", attrgetter("wall_s"), "{:.1f}".format, right=True),
        Column("again_s", "again", attrgetter("again_s"), "{:.2f}".format, right=True),
    )
    goals = f"goals: {found.goal_all_s:.0f} s, {found.goal_each_s:.0f} s each"
    note = f"{found.together_s:.0f} s together in {found.workers} processes; {goals}."
    print_tables(Table("Published experiments", columns, found.systems, note))
