"""archsim bench engine."""

from __future__ import annotations

from pathlib import Path

import click

from archsim.cli.console import print_json, print_tables


@click.command("engine")
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1), metavar="N",
              help="Runs that the medians are taken of.")  # fmt: skip
@click.option("--reference-services", default=200_000, show_default=True, type=click.IntRange(1),
              metavar="N", help="How much of each Program the reference engine runs.")  # fmt: skip
@click.option("--root", type=click.Path(path_type=Path), metavar="DIR",
              help="Where arch_configs/ and so on are.  [default: archsim's own]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(runs: int, reference_services: int, root: Path | None, as_json: bool) -> None:
    """Run the same Programs on both engines, and on the fast one without its shortcuts.

    The reference would take minutes for the whole of them: it runs their first part, and every
    finish time up to there is compared.
    """
    from archsim.arch.load import load_arch
    from archsim.bench.engine_bench import MAPPED, engine_bench
    from archsim.report.bench_tables import engine_tables
    from archsim.system import shipped
    from archsim.trace.load import load_trace

    root = shipped.root() if root is None else root
    for case in MAPPED:  # bad input is said here, not by a process in between
        load_arch(root / case.arch)
        load_trace(root / case.workload)
    result = engine_bench(
        root, runs, reference_services, lambda name: click.echo(f"{name} ...", err=True)
    )
    if as_json:
        print_json(result.model_dump())
    else:
        print_tables(*engine_tables(result))
