"""archsim trace diff: what differs between two traces."""

from __future__ import annotations

from typing import Any

import click

from archsim.cli.shipped_file import MODEL


@click.command("diff")
@click.argument("first", type=MODEL)
@click.argument("second", type=MODEL)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(first: str, second: str, as_json: bool) -> None:
    """Compare the traces or workloads FIRST and SECOND; exit with 0 if equal, 1 if not.

    Layers belong together by name. Names and provenance of the traces are not compared.
    """
    from archsim.cli import stdout
    from archsim.cli.console import print_json, print_tables
    from archsim.report.trace_diff_tables import field_table, value_table
    from archsim.tables.table import rows
    from archsim.trace.difference import compare
    from archsim.trace.load import load_trace

    difference = compare(load_trace(first), load_trace(second))
    fields, values = field_table(difference), value_table(difference)
    if as_json:
        report: dict[str, Any] = {"equal": difference.equal}
        print_json(report | {"fields": rows(fields), "values": rows(values)})
    elif difference.equal:
        stdout.write("no difference")
    else:
        print_tables(*(table for table in (fields, values) if table.records))
    if not difference.equal:
        raise click.exceptions.Exit(1)
