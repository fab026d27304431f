"""Sizes, fonts and colours of figures for papers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from archsim.system.packages import need

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# IEEE, "Preparation of Papers": figures are 3.5 in (one column) or 7.16 in (two) wide.
WIDTHS = {"single": 3.5, "double": 7.16}
# M. Okabe and K. Ito, "Color Universal Design", 2008: told apart with any colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "----", "++++", "oooo")
STYLES = ("ieee", "plain")
DPI = 600  # of PNG; IEEE asks for 600 of line art in colour

_COMMON: dict[str, Any] = {
    "pdf.fonttype": 42,  # TrueType, embedded: publishers refuse Type 3
    "ps.fonttype": 42,
    "savefig.dpi": DPI,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "0.85",
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.0,
    "hatch.linewidth": 0.4,
    "legend.frameon": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}
_STYLE: dict[str, dict[str, Any]] = {
    # STIX is metrically near Times and comes with Matplotlib
    "ieee": {"font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 8.0,
             "axes.labelsize": 8.0, "xtick.labelsize": 7.0, "ytick.labelsize": 7.0,
             "legend.fontsize": 7.0},
    "plain": {"font.family": "DejaVu Sans", "font.size": 7.0, "axes.labelsize": 7.0,
              "xtick.labelsize": 6.0, "ytick.labelsize": 6.0, "legend.fontsize": 6.0},
}  # fmt: skip


@contextmanager
def styled(style: str, width: str) -> Iterator[float]:
    """Draw inside with the given style; gives the width in inches.

    Matplotlib's own settings are as before afterwards. InputError if it is not installed.
    """
    matplotlib = need("matplotlib", "a figure")
    cycle = matplotlib.cycler(color=COLOURS)
    settings = {**_COMMON, **_STYLE[style], "axes.prop_cycle": cycle}
    with matplotlib.rc_context(settings):
        yield WIDTHS[width]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of the given size in inches, on no screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def image(figure: Figure, ending: str) -> bytes:
    """The figure as `.pdf`, `.png` or `.svg`; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    dated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}
    figure.savefig(buffer, format=ending.removeprefix("."), metadata=dated[ending])
    return buffer.getvalue()
