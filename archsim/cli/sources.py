"""archsim sources: where every number of an architecture comes from."""

from __future__ import annotations

import click

from archsim.cli.shipped_file import CHIP


@click.command("sources")
@click.argument("arch", type=CHIP)
@click.option("--assumptions", is_flag=True, help="Only numbers that have no source.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(arch: str, assumptions: bool, as_json: bool) -> None:
    """List every number of ARCH with its value and source."""
    from archsim.arch.load import load_arch
    from archsim.cli.console import print_json, print_tables
    from archsim.report.source_tables import reference_table, source_rows, source_table
    from archsim.tables.table import rows

    loaded = load_arch(arch)
    found = source_rows(loaded)
    table = source_table(loaded, found, only_assumptions=assumptions)
    if as_json:
        print_json(
            {
                "arch": loaded.name,
                "values": rows(table),
                "numbers": len(found),
                "assumptions": sum(row.assumed for row in found),
                "references": loaded.references,
            }
        )
    elif loaded.references:
        print_tables(table, reference_table(loaded))
    else:
        print_tables(table)
