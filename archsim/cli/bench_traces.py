"""archsim bench traces."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("traces")
@click.option("--models", metavar="DIR", type=click.Path(path_type=Path),
              help="Also time models in this folder (.onnx, Hugging Face).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(models: Path | None, as_json: bool) -> None:
    """Time exports of traces: built-in shapes, models in installed packages and in --models.

    Nothing is fetched from a network, and nothing here decides about success.
    """
    from archsim.bench.trace_bench import trace_bench
    from archsim.cli.console import print_json, print_tables
    from archsim.report.trace_bench_tables import trace_bench_tables

    found = trace_bench(models, lambda name: click.echo(f"{name} ...", err=True))
    if as_json:
        print_json(found.model_dump())
    else:
        print_tables(*trace_bench_tables(found))
