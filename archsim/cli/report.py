"""archsim report: one HTML page of a run, a sweep, a comparison or a reproduction."""

from __future__ import annotations

import click


@click.command("report")
@click.argument("results")
@click.option("-o", "output", required=True, metavar="FILE", help="The page to write (.html).")
def command(results: str, output: str) -> None:
    """Write RESULTS, a results folder or its JSON file, as one HTML page that needs no network."""
    from archsim.html.report_page import report_page
    from archsim.system.atomic import check_file, write_text

    check_file(output, (".html", ".htm"))
    write_text(output, report_page(results))
