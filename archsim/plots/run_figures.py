"""Figures of one run: energy by component, energy and time by layer, when each layer ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsim.plots.style import COLOURS, HATCHES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from archsim.result import Result

MOST_BARS = 12  # smaller components are added up
NAME_HEIGHT = 0.1  # inches that the name of a layer takes
MOST_NAMES = 60  # down the side of a timeline
ORDER = "layer, in the order in which they run"
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "\u00b5"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


def energy(result: Result, width: float) -> Figure:
    """Energy per inference by component, dynamic and static."""
    parts = sorted(result.energy_parts_j.items(), key=lambda item: -sum(item[1].values()))
    rows = [
        (path.removeprefix("chip."), share.get("dynamic", 0.0), share.get("static", 0.0))
        for path, share in parts
    ]
    rest = rows[MOST_BARS:]
    rows = rows[:MOST_BARS]
    if rest:
        rows.append(("others", sum(r[1] for r in rest), sum(r[2] for r in rest)))
    scale, prefix = _prefix(max(dynamic + static for _, dynamic, static in rows))
    figure = new_figure(width, 0.5 + 0.17 * len(rows))
    axes = figure.add_subplot()
    names = [name for name, _, _ in rows]
    dynamic = [row[1] / scale for row in rows]
    static = [row[2] / scale for row in rows]
    axes.barh(names, dynamic, color=COLOURS[0], label="dynamic")
    axes.barh(names, static, left=dynamic, color=COLOURS[1], hatch=HATCHES[1], label="static")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"energy per inference ({prefix}J)")
    axes.legend(loc="lower right")
    return figure


def layers(result: Result, width: float) -> Figure:
    """Dynamic energy per inference and array or unit utilisation of every layer."""
    rows = [layer for layer in result.layers if not layer.runs_on.startswith("after ")]
    fused = {layer.runs_on.removeprefix("after "): 0.0 for layer in result.layers}
    for layer in result.layers:
        if layer.runs_on.startswith("after "):
            fused[layer.runs_on.removeprefix("after ")] += layer.energy_j
    joules = [layer.energy_j + fused.get(layer.name, 0.0) for layer in rows]
    scale, prefix = _prefix(max(joules))
    named = len(rows) * NAME_HEIGHT <= width
    figure = new_figure(width, 3.0 if named else 2.2)
    above, below = figure.subplots(2, 1, sharex=True)
    at = range(len(rows))
    above.bar(at, [value / scale for value in joules], color=COLOURS[0], width=0.8)
    above.set_ylabel(f"energy ({prefix}J)")
    below.bar(at, [100 * layer.utilisation for layer in rows], color=COLOURS[2], width=0.8)
    below.set_ylabel("utilisation (%)")
    for axes in (above, below):
        axes.grid(axis="x", visible=False)
    if named:
        below.set_xticks(at, [layer.name for layer in rows], rotation=90)
    else:
        below.set_xlabel(ORDER)
    below.set_xlim(-0.7, len(rows) - 0.3)
    return figure


def timeline(result: Result, width: float) -> Figure:
    """From the first start to the last finish of each layer, with the critical path."""
    rows = [layer for layer in result.layers if not layer.runs_on.startswith("after ")]
    kinds = list(dict.fromkeys(layer.runs_on for layer in rows))
    scale, prefix = _prefix(result.latency_s)
    step = 0.12 if len(rows) <= MOST_NAMES else 0.06
    figure = new_figure(width, 0.7 + step * len(rows))
    axes = figure.add_subplot()
    for index, layer in enumerate(rows):
        kind = kinds.index(layer.runs_on) % len(COLOURS)
        span = (layer.finish_s - layer.start_s) / scale
        axes.barh(index, span, left=layer.start_s / scale, color=COLOURS[kind], height=0.8)
    number = {layer.name: index for index, layer in enumerate(rows)}
    for one in result.critical_path:
        if one.name in number:
            ends = [one.start_s / scale, one.finish_s / scale]
            axes.plot(ends, [number[one.name]] * 2, color="black", linewidth=0.8)
    if len(rows) <= MOST_NAMES:
        axes.set_yticks(range(len(rows)), [layer.name for layer in rows], fontsize=5)
    else:
        axes.set_ylabel(ORDER)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, result.latency_s / scale)
    axes.set_xlabel(f"time ({prefix}s)")
    _kind_legend(figure, kinds, width)
    return figure


def _kind_legend(figure: Figure, kinds: list[str], width: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=COLOURS[i % len(COLOURS)], label=kind) for i, kind in enumerate(kinds)
    ]
    handles.append(Line2D([], [], color="black", linewidth=0.8, label="critical path"))
    columns = 3 if width < 5 else 6
    figure.legend(handles=handles, loc="outside upper center", ncols=columns)


def _prefix(largest: float) -> tuple[float, str]:
    """The decimal prefix in which the largest value is at least 1, as (factor, letter)."""
    return next(((f, letter) for f, letter in _PREFIXES if largest >= f), (1.0, ""))
