"""The files of a reproduction: a JSON per system, tables, and reproduction.json for a report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from archsim.reproduce.result import CurveResult, ExperimentResult
from archsim.reproduce.tables import curve_table, figures_table, sensitivity_table
from archsim.system.atomic import write_text
from archsim.tables.latex import to_latex
from archsim.tables.table import Table, rows, to_csv, to_markdown

Format = Literal["md", "latex", "csv", "json"]
REPORT_FILE = "reproduction.json"
_ENDING = {"md": "md", "latex": "tex", "csv": "csv", "json": "json"}


def write_result(result: ExperimentResult, folder: Path) -> None:
    """SYSTEM.json, written whole or not at all."""
    write_text(folder / f"{result.system}.json", result.model_dump_json(indent=2) + "\n")


def write_tables(results: Sequence[ExperimentResult], folder: Path, kind: Format) -> list[str]:
    """figures.* and sensitivity.* of all results, a table per curve and reproduction.json.

    Gives their names. `archsim report FOLDER/reproduction.json` makes a page of it.
    """
    names = []
    texts = {"figures": figures_text(results, kind), "sensitivity": sensitivity_text(results, kind)}
    for result in results:
        for curve in result.curves:
            table = curve_table(curve, result.system)
            texts[curve_file(result, curve)] = formatted(table, kind)
    for name, text in texts.items():
        file = f"{name}.{_ENDING[kind]}"
        write_text(folder / file, text)
        names.append(file)
    write_text(folder / REPORT_FILE, report_json(results))
    return [*names, REPORT_FILE]


def curve_file(result: ExperimentResult, curve: CurveResult) -> str:
    """Name of a curve's files without their ending: its number keeps like names apart."""
    words = re.sub(r"[^a-z0-9]+", "-", curve.name.lower()).strip("-")
    return f"curve-{result.system}-{result.curves.index(curve) + 1}-{words}"


def figures_text(results: Sequence[ExperimentResult], kind: Format) -> str:
    """The figures of all results; in LaTeX a table per system, which fits a page."""
    return _by_system(figures_table, results, kind)


def sensitivity_text(results: Sequence[ExperimentResult], kind: Format) -> str:
    """The sensitivities of all results; in LaTeX a table per system that has some."""
    return _by_system(sensitivity_table, [r for r in results if r.sensitivity], kind)


def _by_system(
    table: Callable[[Sequence[ExperimentResult]], Table],
    results: Sequence[ExperimentResult],
    kind: Format,
) -> str:
    if kind == "latex":
        return "\n".join(formatted(table([result]), kind) for result in results)
    return formatted(table(results), kind)


def formatted(table: Table, kind: Format) -> str:
    """A table as text; in LaTeX without the columns of reasons and sources, too wide for a page."""
    if kind == "md":
        return to_markdown(table)
    if kind == "json":
        return json.dumps(rows(table), indent=2, ensure_ascii=False) + "\n"
    return to_csv(table) if kind == "csv" else to_latex(table, most_rank=0)


def report_json(results: Sequence[ExperimentResult]) -> str:
    """What `archsim report` reads: figures that are both published and worked out."""
    compared = [
        {
            "quantity": f"{result.system}: {figure.name}",
            "published": figure.published,
            "simulated": figure.simulated,
            "unit": "" if figure.unit == "%" else figure.unit,
            "source": figure.source,
        }
        for result in results
        for figure in result.figures
        if figure.published is not None and figure.simulated is not None
    ]
    name = results[0].title if len(results) == 1 else "published systems"
    return json.dumps({"archsim_reproduction": 1, "name": name, "rows": compared}, indent=2) + "\n"
