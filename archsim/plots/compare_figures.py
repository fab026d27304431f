"""Figures of a comparison: energy over inferences per task, and what the energy goes into."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.adaptation.comparison_result import Comparison, ComparisonRow
from archsim.plots.style import COLOURS, HATCHES, image, new_figure, styled
from archsim.system.atomic import write_bytes
from archsim.tables import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":")
POWERS = 7  # inferences per task go to 10**POWERS
GPU_GREYS = ("0.0", "0.35", "0.55", "0.7")
CAUSES = ("inference, dynamic", "inference, static", "task switches", "learning", "set-up")


def draw_comparison(comparison: Comparison, folder: str | Path, *, style: str = "ieee") -> None:
    """Write amortised and breakdown as PDF and PNG into a folder, which is made if need be.

    InputError if Matplotlib is not installed or the folder cannot be written.
    """
    for name, draw in (("amortised", amortised), ("breakdown", breakdown)):
        with styled(style, "double") as inches:
            figure = draw(comparison, inches)
            for ending in (".pdf", ".png"):
                write_bytes(Path(folder) / f"{name}{ending}", image(figure, ending))


def amortised(comparison: Comparison, width: float) -> Figure:
    """Energy per inference over inferences per task, a line per method; best row of each GPU."""
    figure = new_figure(width, 0.5 * width)
    axes = figure.add_subplot()
    counts = [10 ** (POWERS * i / 140) for i in range(141)]
    rows = [row for row in comparison.rows if row.adapts]
    chip = [row for row in rows if row.device == "chip"]
    platforms = dict.fromkeys(row.platform for row in rows if row.device == "gpu")
    for index, row in enumerate(chip):
        line = row.energy.line(comparison.tasks)
        axes.loglog(
            counts,
            [line.at(n) for n in counts],
            color=COLOURS[index % (len(COLOURS) - 1)],  # black is for GPUs
            linestyle=DASHES[index // (len(COLOURS) - 1) % len(DASHES)],
            label=row.method,
        )
    for index, platform in enumerate(platforms):
        there = [row for row in rows if row.platform == platform]
        best = min(there, key=attrgetter("amortised_energy_j"))
        line = best.energy.line(comparison.tasks)
        axes.loglog(
            counts,
            [line.at(n) for n in counts],
            color=GPU_GREYS[index % len(GPU_GREYS)],
            linestyle="-.",
            linewidth=1.4,
            label=f"{platform.split(',')[0]} ({best.method})",
        )
    axes.axvline(comparison.inferences_per_task, color="0.6", linewidth=0.6)
    axes.set_xlim(1, counts[-1])
    axes.set_xlabel("inferences per task")
    axes.set_ylabel("energy per inference (J)")
    figure.legend(loc="outside right upper")
    return figure


def breakdown(comparison: Comparison, width: float) -> Figure:
    """Shares of each row's energy over the scenario by cause, with joules per inference beside."""
    rows = comparison.rows
    figure = new_figure(width, 0.7 + 0.16 * len(rows))
    axes = figure.add_subplot()
    names = [f"{row.method} \u2013 {row.platform.split(',')[0]}" for row in rows]
    shares = [_shares(row, comparison) for row in rows]
    left = [0.0] * len(rows)
    for index, cause in enumerate(CAUSES):
        widths = [100 * share[index] for share in shares]
        if not any(widths):
            continue
        axes.barh(
            range(len(rows)), widths, left=left, height=0.75, color=COLOURS[index],
            hatch=HATCHES[index], edgecolor="white", linewidth=0.2, label=cause,
        )  # fmt: skip
        left = [start + one for start, one in zip(left, widths, strict=True)]
    for number, row in enumerate(rows):
        axes.text(101, number, figures.joules(row.amortised_energy_j), va="center", fontsize=6.5)
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 110)
    axes.set_xticks(range(0, 101, 20))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("share of the energy of the scenario (%), and energy per inference")
    figure.legend(loc="outside upper center", ncols=len(CAUSES))
    return figure


def _shares(row: ComparisonRow, comparison: Comparison) -> list[float]:
    """Shares of 1 by cause, in the order of CAUSES."""
    parts = row.energy.parts(comparison.inferences, row.switches, comparison.tasks)
    static = row.inference_static_j * comparison.inferences
    values = [
        parts["inference"] - static,
        static,
        *(parts[k] for k in ("switch", "learning", "once")),
    ]
    return [value / sum(values) for value in values]
