"""Figures of an experiment's curves: a panel per value of the outer axes, a line per value."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.plots.style import COLOURS, image, new_figure, styled
from archsim.reproduce.output import curve_file
from archsim.reproduce.result import AxisResult, CurveResult, ExperimentResult
from archsim.system.atomic import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".pdf", ".png")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
COLUMNS = 3  # panels side by side
HEIGHT = 1.9  # inches of a row of panels
DECADES = 100.0  # values of y that lie further apart are drawn on a logarithmic axis
OCTAVES = 16.0  # and those of x


def draw_curves(result: ExperimentResult, folder: Path, *, style: str = "ieee") -> list[str]:
    """Write every curve of a result as PDF and PNG into a folder; the names of the files.

    InputError if Matplotlib is not installed or the folder cannot be written.
    """
    names = []
    for curve in result.curves:
        with styled(style, "double") as inches:
            figure = draw_curve(curve, inches)
            for ending in ENDINGS:
                names.append(f"{curve_file(result, curve)}{ending}")
                write_bytes(folder / names[-1], image(figure, ending))
    return names


def draw_curve(curve: CurveResult, width: float) -> Figure:
    """All panels of a curve; a dashed line is the published level, where there is one."""
    outer = [_labels(axis) for axis in curve.axes[:-2]]
    panels = list(itertools.product(*outer))
    columns = min(len(panels), COLUMNS)
    rows = -(-len(panels) // columns)
    figure = new_figure(width, 0.45 + HEIGHT * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    scale = 100.0 if curve.unit == "%" else 1.0
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_visible(False)
            continue
        named = zip(curve.axes, panels[number], strict=False)
        title = ", ".join(f"{axis.name} {text}" for axis, text in named)
        axes.set_title(title, fontsize="medium")
        _draw_panel(axes, curve, panels[number], scale)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"{curve.name} ({curve.unit})" if curve.unit else curve.name)
    for column in range(columns):
        lowest = max(row for row in range(rows) if row * columns + column < len(panels))
        bottom = grid[lowest, column]
        bottom.set_xlabel(f"{curve.x.name} ({curve.x.unit})" if curve.x.unit else curve.x.name)
        bottom.tick_params(labelbottom=True)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_panel(axes: Any, curve: CurveResult, panel: tuple[str, ...], scale: float) -> None:
    at, ticks = _places(curve.x)
    lines = [line for line in curve.lines if line[0][: len(panel)] == panel]
    for number, (name, values) in enumerate(lines):
        axes.plot(
            at,
            [float("nan") if value is None else scale * value for value in values],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=3,
            label=f"{curve.axes[-2].name} {name[-1]}" if name else None,
        )
    if curve.published is not None:
        axes.axhline(scale * curve.published, color="0.4", linestyle="--", linewidth=0.8,
                     label="published")  # fmt: skip
    if min(at) > 0 and max(at) >= OCTAVES * min(at):
        axes.set_xscale("log", base=2)
    axes.set_xticks(at, ticks)
    axes.minorticks_off()
    known = [value for value in curve.values if value is not None]
    if min(known) > 0 and max(known) > DECADES * min(known):
        axes.set_yscale("log")


def _places(axis: AxisResult) -> tuple[list[float], list[str]]:
    """Where the values of x are drawn: numbers at themselves, anything else one after another."""
    numbers = [value for value in axis.values if isinstance(value, int | float)]
    if len(numbers) == len(axis.values):
        return [float(value) for value in numbers], axis.labels
    return [float(place) for place in range(len(axis.values))], axis.labels


def _labels(axis: AxisResult) -> list[str]:
    return [f"{text} {axis.unit}".strip() for text in axis.labels]
