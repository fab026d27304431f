"""archsim reproduce: run published experiments again and put the figures side by side."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from archsim.reproduce.output import Format
    from archsim.reproduce.result import ExperimentResult

Report = Callable[[str, str, int, int], None]


@click.command("reproduce")
@click.argument("system", required=False)
@click.option("--format", "kind", type=click.Choice(["md", "latex", "csv", "json"]),
              help="Print the tables in this format; with --out, of the files (md).")  # fmt: skip
@click.option("--out", metavar="DIR",
              help="Write tables, plots, one JSON per system and values here.")  # fmt: skip
@click.option("--page", metavar="FILE", help="Also write all of it as one Markdown page.")
@click.option("--no-sensitivity", is_flag=True, help="The figures as stated only.")
@click.option("--no-cache", is_flag=True, help="Work everything out anew.")
@click.option("--reduced", is_flag=True, help="The same parts with fewer layers and positions.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the results as JSON, as --format json."
)
@click.option("--workers", type=click.IntRange(1, 1000), metavar="N",
              help="Processes for the systems of 'all'. [default: one per core]")  # fmt: skip
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
    workers: int | None,
    quiet: bool,
) -> None:
    """Run the experiment of SYSTEM, of all systems ("all"), or of a YAML; without one, list them.

    "silicon": fabricated macros priced by cost models, beside their papers' figures.

    Values that were worked out are kept, so that an interrupted run goes on where it was.
    """
    from archsim.cli.reproduce_silicon import SYSTEM, reproduce_silicon
    from archsim.reproduce.last import keep_last
    from archsim.reproduce.load import load_experiment, systems
    from archsim.reproduce.output import write_result, write_tables
    from archsim.reproduce.page import page as whole_page
    from archsim.reproduce.store import cache_folder
    from archsim.reproduce.together import Options, run_experiments

    if system is None:
        if out is not None or page is not None or kind not in (None, "json"):
            raise click.UsageError("--out, --page and --format need a SYSTEM, or 'all'.")
        _list(as_json or kind == "json")
        return
    if as_json:
        kind = "json"
    if system == SYSTEM:
        reproduce_silicon(kind, out, page, quiet)
        return
    known = systems()
    names = known if system == "all" else [system]
    experiments = {e.system: e for e in map(load_experiment, names)}
    folder = Path(out) if out is not None else None
    cache = None if no_cache else folder / "values" if folder else cache_folder()
    listed = system in ("all", *known)  # a YAML elsewhere is not in the list
    last = cache_folder() if listed and not no_cache and not reduced else None
    results: list[ExperimentResult] = []
    options = Options(reduced=reduced, cache=cache, sensitivity=not no_sensitivity)
    number = workers or len(os.sched_getaffinity(0))
    try:
        with _progress(not quiet and kind != "json", len(experiments)) as report:
            for result in run_experiments(names, options, workers=number, progress=report):
                results.append(result)
                if folder is not None:
                    write_result(result, folder)
                if last is not None:
                    keep_last(result, experiments[result.system], last)
    except KeyboardInterrupt:
        kept = "" if cache is None else " What was worked out is kept; the same command goes on."
        raise KeyboardInterrupt(
            f"interrupted after {len(results)} of {len(experiments)} systems.{kept}"
        ) from None
    results.sort(key=lambda result: list(experiments).index(result.system))
    if folder is not None:
        write_tables(results, folder, kind or "md")
        _draw(results, folder)
    if page is not None:
        from archsim.system.atomic import check_file, write_text

        write_text(check_file(page, (".md",)), whole_page(results))
    _show(results, kind)
    if folder is not None and kind != "json":
        click.echo(f"written to {folder}", err=True)


def _list(as_json: bool) -> None:
    """All systems with what their last runs gave; nothing is simulated."""
    from archsim.cli.console import print_json, print_tables
    from archsim.reproduce.last import listed
    from archsim.reproduce.load import load_experiment, systems
    from archsim.reproduce.store import cache_folder
    from archsim.reproduce.tables import systems_table

    cache = cache_folder()
    found = [listed(load_experiment(name, checked=False), cache) for name in systems()]
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
    else:
        print_tables(systems_table(found))


def _draw(results: list[ExperimentResult], folder: Path) -> None:
    """Plots of all curves; without Matplotlib there are none, which is said."""
    if not any(result.curves for result in results):
        return
    from archsim.errors import InputError
    from archsim.system.packages import need

    try:
        need("matplotlib", "a plot of a curve")
    except InputError as fault:
        click.echo(str(fault), err=True)
        return
    from archsim.plots.curve_figures import draw_curves

    for result in results:
        draw_curves(result, folder)


def _show(results: list[ExperimentResult], kind: Format | None) -> None:
    from archsim.cli import stdout
    from archsim.cli.console import print_json, print_tables
    from archsim.reproduce.output import figures_text, formatted, sensitivity_text
    from archsim.reproduce.tables import curve_table, figures_table, sensitivity_table

    if kind == "json":
        print_json([result.model_dump(mode="json") for result in results])
        return
    single = len(results) == 1
    curves = [curve_table(curve) for curve in results[0].curves] if single else []
    if kind is not None:
        texts = [figures_text(results, kind), *(formatted(curve, kind) for curve in curves)]
        if single and results[0].sensitivity:
            texts.append(sensitivity_text(results, kind))
        stdout.write("\n".join(texts))
        return
    print_tables(figures_table(results), *curves)
    if single:
        if results[0].sensitivity:
            print_tables(sensitivity_table(results))
        click.echo(f"\n{results[0].learnt}")


@contextlib.contextmanager
def _progress(wanted: bool, systems: int) -> Iterator[Report]:
    """A bar of all systems on stderr, where somebody would see it."""
    if not wanted or not sys.stderr.isatty():
        yield lambda system, step, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=systems)
        shares: dict[str, float] = {}

        def report(system: str, step: str, done: int, total: int) -> None:
            shares[system] = done / max(total, 1)
            bar.update(task, description=f"{system}: {step}", completed=sum(shares.values()))

        yield report
