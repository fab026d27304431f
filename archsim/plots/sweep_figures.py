"""Figures of a sweep and of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.plots.style import COLOURS, new_figure
from archsim.report.views import Comparison
from archsim.sweep.pareto import Row
from archsim.sweep.pareto import pareto as front_of
from archsim.sweep.search import objective_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":", "-.")
_WORDS = {"mm2": "(mm\u00b2)", "tops": "TOPS", "w": "W", "inf": "inferences"}
POWERS = 7  # inferences per task go to 10**POWERS


def pareto(rows: Sequence[Row], objectives: Sequence[str], width: float) -> Figure:
    """Points of a sweep in two objectives, with those that no other beats joined.

    InputError unless two objectives are given, for columns that are not there, and for a sweep
    without a result.
    """
    if len(objectives) != 2:
        raise InputError(
            f"a Pareto figure has two objectives, not {len(objectives)}.",
            "--objectives",
            "Name two, such as latency_s,energy_j.",
        )
    figure = new_figure(width, min(2.6, 0.75 * width))
    draw_front(figure.add_subplot(), rows, front_of(rows, objectives), objectives, joined=True)
    return figure


def draw_front(
    axes: Any, rows: Sequence[Row], front: Sequence[Row], objectives: Sequence[str], *, joined: bool
) -> None:
    """All points with a result and those of a front, in two objectives.

    joined: the front is one of these two objectives alone, so that a line of steps is its edge.
    """
    done = [row for row in rows if row["status"] == "ok"]
    (x, more_x), (y, more_y) = objective_names(objectives)
    axes.scatter([r[x] for r in done], [r[y] for r in done], s=7, color=COLOURS[4], label="points")
    best = sorted(front, key=lambda row: row[x])
    axes.plot(
        [row[x] for row in best],
        [row[y] for row in best],
        color=COLOURS[5],
        linestyle="-" if joined else "",
        marker="o",
        markersize=3.5,
        drawstyle="steps-post" if more_x == more_y else "steps-pre",
        label="Pareto front",
    )
    for axis, name in ((axes.xaxis, x), (axes.yaxis, y)):
        _title(axis, name)
    axes.legend()


def amortised(comparison: Comparison, width: float) -> Figure:
    """Energy per inference with its share of the task switch, over inferences per task."""
    figure = new_figure(width, min(2.8, 0.8 * width))
    axes = figure.add_subplot()
    counts = [10 ** (POWERS * i / 100) for i in range(101)]
    for index, row in enumerate(comparison.rows):
        axes.loglog(
            counts,
            [row.energy_j(n) for n in counts],
            color=COLOURS[index % len(COLOURS)],
            linestyle=DASHES[index // len(COLOURS) % len(DASHES)],
            label=row.name,
        )
    axes.set_xlabel("inferences per task")
    _title(axes.yaxis, "energy per inference_j")
    axes.legend()
    return figure


def _title(axis: Any, name: str) -> None:
    """Name an axis after a figure such as `energy_j`; seconds, joules and watts get prefixes."""
    from matplotlib.ticker import EngFormatter

    words = name.split("_")
    unit = {"j": "J", "s": "s", "w": "W"}.get(words[-1])
    if unit is not None and "per" not in words:
        axis.set_major_formatter(EngFormatter(unit=unit))
        words = words[:-1]
    axis.set_label_text(" ".join(_WORDS.get(word, word) for word in words))
