"""The Pareto front as a picture: one panel for each pair of objectives."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from archsim.errors import InputError
from archsim.plots.style import image, new_figure, styled
from archsim.plots.sweep_figures import draw_front
from archsim.sweep.pareto import Row
from archsim.system.atomic import write_bytes

ENDINGS = (".png", ".pdf", ".svg")


def plot_pareto(
    path: Path, rows: Sequence[Row], front: Sequence[Row], objectives: Sequence[str]
) -> None:
    """Write the picture, whole or not at all; the ending of the name chooses the format.

    All points with a result are dots; those of the front are joined if there are two objectives.
    Raises InputError.
    """
    if len(objectives) < 2:
        raise InputError("a plot needs two objectives.", "--objectives", "Name another one.")
    pairs = list(itertools.combinations(objectives, 2))
    with styled("ieee", "single") as width:
        figure = new_figure(width * len(pairs), 0.75 * width)
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        for axes, pair in zip(panels, pairs, strict=True):
            draw_front(axes, rows, front, pair, joined=len(objectives) == 2)
        write_bytes(path, image(figure, path.suffix.lower()))
