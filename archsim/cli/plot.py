"""archsim plot: figures of results for a paper."""

from __future__ import annotations

import click


@click.command("plot")
@click.argument("results")
@click.option("--kind", type=click.Choice(["energy", "layers", "timeline", "pareto", "amortised"]),
              required=True, help="Of a run: energy, layers, timeline; of a sweep: pareto; of a "
              "comparison: amortised.")  # fmt: skip
@click.option("--style", type=click.Choice(["ieee", "plain"]), default="ieee", show_default=True,
              help="ieee: a Times-like font, 8 points; plain: sans-serif.")  # fmt: skip
@click.option("--width", type=click.Choice(["single", "double"]), default="single",
              show_default=True, help="One column (3.5 in) or two (7.16 in).")  # fmt: skip
@click.option("--objectives", default="latency_s,energy_j", show_default=True, metavar="X,Y",
              help="Figures of a Pareto plot; max:FIGURE where more is better.")  # fmt: skip
@click.option("-o", "output", required=True, metavar="FILE", help="A .pdf, .png or .svg file.")
def command(results: str, kind: str, style: str, width: str, objectives: str, output: str) -> None:
    """Draw a figure of RESULTS, a results folder or its JSON file."""
    from archsim.plots.draw import draw

    wanted = [part.strip() for part in objectives.split(",") if part.strip()]
    draw(results, output, kind, style=style, width=width, objectives=wanted)
