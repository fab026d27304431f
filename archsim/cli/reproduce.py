"""archsim reproduce: run published experiments again and put the figures side by side."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from archsim.reproduce.output import Format
    from archsim.reproduce.result import ExperimentResult

Report = Callable[[str, int, int], None]


@click.command("reproduce")
@click.argument("system", required=False)
@click.option("--format", "kind", type=click.Choice(["md", "latex", "csv"]),
              help="Print the tables in this format; with --out, of the files (md).")  # fmt: skip
@click.option("--out", metavar="DIR", help="Write tables, one JSON per system and values here.")
@click.option("--page", metavar="FILE", help="Also write all of it as one Markdown page.")
@click.option("--no-sensitivity", is_flag=True, help="The figures as stated only.")
@click.option("--no-cache", is_flag=True, help="Work everything out anew.")
@click.option("--reduced", is_flag=True, help="The same parts with fewer layers and positions.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    system: str | None,
    kind: Format | None,
    out: str | None,
    page: str | None,
    no_sensitivity: bool,
    no_cache: bool,
    reduced: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the experiment of SYSTEM, of all systems ("all"), or of a YAML; without one, list them.

    Values that were worked out are kept, so that an interrupted run goes on where it was.
    """
    from archsim.cli.console import print_json, print_tables
    from archsim.reproduce.load import load_experiment, systems
    from archsim.reproduce.output import write_result, write_tables
    from archsim.reproduce.page import page as whole_page
    from archsim.reproduce.run import run_experiment
    from archsim.reproduce.store import cache_folder
    from archsim.reproduce.tables import systems_table

    if system is None:
        if out is not None or page is not None or kind is not None:
            raise click.UsageError("--out, --page and --format need a SYSTEM, or 'all'.")
        found = [load_experiment(name) for name in systems()]
        if as_json:
            print_json([{"system": e.system, "title": e.file.title} for e in found])
        else:
            print_tables(systems_table(found))
        return
    names = systems() if system == "all" else [system]
    experiments = [load_experiment(name) for name in names]
    folder = Path(out) if out is not None else None
    cache = None if no_cache else folder / "values" if folder else cache_folder()
    results: list[ExperimentResult] = []
    try:
        with _progress(not quiet and not as_json, len(experiments)) as report:
            for experiment in experiments:
                results.append(
                    run_experiment(
                        experiment.reduced() if reduced else experiment,
                        cache=cache,
                        sensitivity=not no_sensitivity,
                        progress=lambda step, done, total, at=experiment.system: report(  # type: ignore[misc]
                            f"{at}: {step}", done, total
                        ),
                    )
                )
                if folder is not None:
                    write_result(results[-1], folder)
    except KeyboardInterrupt:
        kept = "" if cache is None else " What was worked out is kept; the same command goes on."
        raise KeyboardInterrupt(
            f"interrupted after {len(results)} of {len(experiments)} systems.{kept}"
        ) from None
    if folder is not None:
        write_tables(results, folder, kind or "md")
    if page is not None:
        from archsim.atomic import check_file, write_text

        write_text(check_file(page, (".md",)), whole_page(results))
    _show(results, kind, as_json)
    if folder is not None and not as_json:
        click.echo(f"written to {folder}", err=True)


def _show(results: list[ExperimentResult], kind: Format | None, as_json: bool) -> None:
    from archsim.cli import stdout
    from archsim.cli.console import print_json, print_tables
    from archsim.reproduce.output import formatted
    from archsim.reproduce.tables import figures_table, sensitivity_table

    if as_json:
        print_json([result.model_dump(mode="json") for result in results])
        return
    tables = [figures_table(results)]
    if len(results) == 1 and results[0].sensitivity:
        tables.append(sensitivity_table(results))
    if kind is not None:
        stdout.write("\n".join(formatted(table, kind) for table in tables))
        return
    print_tables(*tables)
    if len(results) == 1:
        click.echo(f"\n{results[0].learnt}")


@contextlib.contextmanager
def _progress(wanted: bool, systems: int) -> Iterator[Report]:
    """A bar of all systems on stderr, where somebody would see it."""
    if not wanted or not sys.stderr.isatty():
        yield lambda step, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, finished = bar.add_task("", total=systems), 0

        def report(step: str, done: int, total: int) -> None:
            nonlocal finished
            bar.update(task, description=step, completed=finished + done / max(total, 1))
            finished += done == total

        yield report
