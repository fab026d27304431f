"""archsim bench sweep."""

from __future__ import annotations

from pathlib import Path

import click

from archsim.cli.shipped_file import CHIP, MODEL


@click.command("sweep")
@click.option("--arch", type=CHIP, metavar="FILE", default="arch_configs/isaac.yaml",
              show_default=True, help="Base architecture.")  # fmt: skip
@click.option("--workload", type=MODEL, metavar="FILE", default="workloads/resnet18.yaml",
              show_default=True, help="Model of every point.")  # fmt: skip
@click.option("--points", type=click.IntRange(8), default=24, show_default=True,
              help="Points of each sweep.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(arch: str, workload: str, points: int, as_json: bool) -> None:
    """Points per hour of a sweep on one and two workers, beside the same points in one process.

    Nothing here decides about success.
    """
    from archsim.bench.sweep_bench import sweep_bench
    from archsim.cli.console import print_json, print_tables
    from archsim.report.sweep_tables import bench_table

    found = sweep_bench(
        Path(arch), Path(workload), points, lambda step: click.echo(f"{step} ...", err=True)
    )
    if as_json:
        print_json(found.model_dump())
    else:
        print_tables(bench_table(found))
