"""archsim bench compare."""

from __future__ import annotations

import os

import click

from archsim.cli.shipped_file import CHIP, MODEL

METHODS = (
    "full,lora-rram,halora,ahwa-lora,lorafusion,piggyback,xbm,xma,xma2,xst,rep-net,linear-probe"
)


@click.command("compare")
@click.option("--arch", type=CHIP, default="arch_configs/rram_sram_hybrid.yaml", show_default=True,
              metavar="FILE", help="Architecture.")  # fmt: skip
@click.option("--trace", type=MODEL, default="traces/minilm_l6.trace.json", show_default=True,
              metavar="FILE", help="Trace or workload.")  # fmt: skip
@click.option("--methods", default=METHODS, metavar="NAMES", help="Methods, with commas.")
@click.option("--gpu", default="a100,h100,jetson-nano", show_default=True, metavar="NAMES",
              help="GPUs, with commas.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 1000), metavar="N",
              help="Processes.  [default: one per core]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    arch: str, trace: str, methods: str, gpu: str, workers: int | None, as_json: bool
) -> None:
    """Time a comparison of all methods, and what each of them adds.

    Nothing here decides about success.
    """
    from archsim.adaptation.comparison_file import ComparisonFile, experiment
    from archsim.bench.compare_bench import compare_bench
    from archsim.cli.compare import split
    from archsim.cli.console import print_json, print_tables
    from archsim.report.compare_tables import bench_table

    loaded = experiment(
        ComparisonFile(
            archsim_comparison=1, arch=arch, trace=trace, methods=list(split(methods)),
            gpus=list(split(gpu)),
        )
    )  # fmt: skip
    number = workers or len(os.sched_getaffinity(0))
    result = compare_bench(loaded, number, lambda step: click.echo(f"{step} ...", err=True))
    if as_json:
        print_json(result.model_dump())
    else:
        print_tables(bench_table(result))
