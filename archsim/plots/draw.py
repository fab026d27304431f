"""Draw a figure of results, whatever they are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.plots.style import image, styled
from archsim.report.results import Loaded, load_results
from archsim.result import Result
from archsim.system.atomic import check_file, write_bytes

ENDINGS = (".pdf", ".png", ".svg")
KINDS = {
    "energy": "run", "layers": "run", "timeline": "run",
    "pareto": "sweep", "amortised": "comparison",
}  # fmt: skip


def draw(
    results: str | Path,
    output: str | Path,
    kind: str,
    *,
    style: str = "ieee",
    width: str = "single",
    objectives: Sequence[str] = ("latency_s", "energy_j"),
) -> None:
    """Write the figure `kind` of a results folder or its JSON file.

    style: see archsim.plots.style; width: "single" or "double" column; objectives: of a Pareto
    figure. InputError if the results are of another kind, and for a place that can't be written.
    """
    target = check_file(output, ENDINGS)
    loaded = load_results(results)
    if loaded.kind != KINDS[kind]:
        fitting = [name for name, of in KINDS.items() if of == loaded.kind]
        raise InputError(
            f"the figure '{kind}' is of a {KINDS[kind]}; this is a {loaded.kind}.",
            str(results),
            f"Its figures: {', '.join(fitting)}." if fitting else "It has no figures.",
        )
    with styled(style, width) as inches:
        figure = _figure(loaded, kind, objectives, inches)
        write_bytes(target, image(figure, target.suffix.lower()))


def _figure(loaded: Loaded, kind: str, objectives: Sequence[str], inches: float) -> Any:
    from archsim.plots import run_figures, sweep_figures

    if isinstance(loaded.content, Result):
        return getattr(run_figures, kind)(loaded.content, inches)
    if kind == "pareto":
        return sweep_figures.pareto(loaded.content, objectives, inches)
    return sweep_figures.amortised(loaded.content, inches)
