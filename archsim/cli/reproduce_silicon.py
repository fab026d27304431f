"""archsim reproduce silicon: fabricated macros, figure by figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from archsim.reproduce.output import Format

SYSTEM = "silicon"


def reproduce_silicon(kind: Format | None, out: str | None, page: str | None, quiet: bool) -> None:
    """Print the table, or all of it in a format; write the page."""
    from archsim.cli import stdout
    from archsim.cli.console import print_json, print_tables
    from archsim.cli.progress import progress_bar
    from archsim.reproduce.silicon.run import run_silicon
    from archsim.reproduce.silicon.tables import as_json, silicon_table
    from archsim.reproduce.silicon.tables import page as whole_page
    from archsim.system.atomic import check_file, write_text
    from archsim.tables.latex import to_latex
    from archsim.tables.table import to_csv, to_markdown

    if out is not None:
        raise click.UsageError("--out takes an experiment; 'silicon' has --page and --format.")
    target = None if page is None else check_file(page, (".md",))
    with progress_bar(not quiet and kind != "json") as progress:
        rows = run_silicon(progress=progress)
    if target is not None:
        write_text(target, whole_page(rows))
    if kind == "json":
        print_json(as_json(rows))
    elif kind is not None:
        forms = {"md": to_markdown, "csv": to_csv, "latex": to_latex}
        stdout.write(forms[kind](silicon_table(rows)))
    else:
        print_tables(silicon_table(rows))
