"""archsim pareto: the points of a sweep that no other point beats."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("pareto")
@click.argument("results")
@click.option("--objectives", default="energy_j,latency_s,area_mm2", show_default=True,
              metavar="LIST", help="Figures to minimise, max:FIGURE to maximise.")  # fmt: skip
@click.option("--format", "style", type=click.Choice(["table", "latex", "csv", "json"]),
              default="table", show_default=True, help="What is printed.")  # fmt: skip
@click.option("--plot", is_flag=False, flag_value="", metavar="[FILE]",
              help="Also draw it, as .png, .pdf or .svg. [pareto.png in RESULTS]")  # fmt: skip
def command(results: str, objectives: str, style: str, plot: str | None) -> None:
    """List the non-dominated points in RESULTS, the folder of a sweep."""
    from archsim.cli import stdout
    from archsim.cli.console import print_json, print_tables
    from archsim.plots.pareto_panels import ENDINGS, plot_pareto
    from archsim.report.sweep_tables import pareto_table
    from archsim.sweep.pareto import pareto
    from archsim.sweep.results import load_axes, load_rows
    from archsim.system.atomic import check_file
    from archsim.tables.latex import to_latex
    from archsim.tables.table import to_csv

    wanted = [part.strip() for part in objectives.split(",") if part.strip()]
    if not wanted:
        raise click.BadParameter("name at least one figure", param_hint="--objectives")
    picture = None if plot is None else Path(plot or Path(results) / "pareto.png")
    rows = load_rows(results)
    if picture is not None:
        check_file(picture, ENDINGS)
    front = pareto(rows, wanted)
    if picture is not None:
        plot_pareto(picture, rows, front, wanted)
    table = pareto_table(rows, front, load_axes(results), wanted)
    if style == "table":
        print_tables(table)
    elif style == "json":
        print_json(front)
    else:
        stdout.write((to_csv if style == "csv" else to_latex)(table).rstrip("\n"))
    if picture is not None:
        click.echo(f"plot: {picture}", err=True)
