"""archsim bench run."""

from __future__ import annotations

from pathlib import Path

import click

from archsim.cli.console import print_json, print_tables
from archsim.cli.shipped_file import CHIP, MODEL


@click.command("run")
@click.option(
    "--arch",
    type=CHIP,
    metavar="FILE",
    default="arch_configs/isaac.yaml",
    show_default=True,
    help="Architecture of the timed run.",
)
@click.option(
    "--workload",
    type=MODEL,
    metavar="FILE",
    default="workloads/resnet18.yaml",
    show_default=True,
    help="Model of the timed run.",
)
@click.option("--runs", default=5, show_default=True, help="Runs that the medians are taken of.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(arch: str, workload: str, runs: int, as_json: bool) -> None:
    """Time ResNet-18 on ISAAC as a whole command, start-up, and both engines side by side.

    Medians after one run that warms the caches. Nothing here decides about success.
    """
    from archsim.arch.load import load_arch
    from archsim.bench.run_bench import run_bench
    from archsim.report.bench_tables import bench_tables
    from archsim.trace.load import load_trace

    if runs < 1:
        raise click.BadParameter("at least one run is needed", param_hint="--runs")
    load_arch(arch)  # bad input is said once, before five processes say it
    load_trace(workload)
    result = run_bench(
        Path(arch), Path(workload), runs, lambda step: click.echo(f"{step} ...", err=True)
    )
    if as_json:
        print_json(result.model_dump())
    else:
        print_tables(*bench_tables(result))
