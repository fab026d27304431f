"""What goes to stdout: tables in the width and colours of the terminal, plain elsewhere."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from typing import Any

import click

from archsim.cli.stdout import write
from archsim.tables.table import Table, printable

PLAIN_WIDTH = 120
"""Width of tables in a file or a pipe."""

_ASCII_BARS = str.maketrans("▁▂▃▄▅▆▇█", "..--==##")


class _Page(io.StringIO):
    """Text on its way to stdout; rich draws lines in ASCII where the encoding has no others."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return sys.stdout.encoding or "utf-8"


def print_tables(*tables: Table) -> None:
    """Print tables, with an empty line between them."""
    from rich.console import Console

    from archsim.report.terminal import render

    page, terminal = _Page(), sys.stdout.isatty()
    console = Console(file=page, force_terminal=terminal, width=None if terminal else PLAIN_WIDTH)
    for index, table in enumerate(tables):
        if index:
            console.print()
        console.print(render(table, console.width))
    text = page.getvalue()
    if not page.encoding.lower().startswith("utf"):
        text = text.translate(_ASCII_BARS)
    write("\n".join(line.rstrip() for line in text.splitlines()))


def warn(sentences: Iterable[str]) -> None:
    """Say on stderr what is probably not meant."""
    for sentence in sentences:
        click.echo(printable(f"warning: {sentence}"), err=True)


def print_json(data: Any) -> None:
    """Print one JSON value."""
    write(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
