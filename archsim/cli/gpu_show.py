"""archsim gpu show: a GPU's numbers and their sources."""

from __future__ import annotations

import click


@click.command("show")
@click.argument("gpu")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(gpu: str, as_json: bool) -> None:
    """List every number of GPU (a name such as a100, or a YAML) with its source."""
    from archsim.cli.console import print_json, print_tables
    from archsim.gpu.load import load_gpu
    from archsim.report.gpu_tables import number_table, work_table
    from archsim.tables.table import rows

    loaded = load_gpu(gpu)
    numbers, works = number_table(loaded), work_table(loaded)
    if as_json:
        print_json(
            {"gpu": loaded.name, "values": rows(numbers), "references": dict(loaded.references)}
        )
    else:
        print_tables(numbers, works)
