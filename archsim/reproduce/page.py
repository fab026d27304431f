"""docs/reproductions.md, made from results: the text on what was learnt stands in the YAMLs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from archsim.reproduce.result import ExperimentResult
from archsim.reproduce.tables import (
    assumptions_table,
    curve_table,
    figures_table,
    sensitivity_table,
)
from archsim.tables.table import Table, to_markdown

STATES = ("agrees", "calibrated", "deviates", "compared", "predicted", "not reproduced")
COMMAND = "archsim reproduce all --page docs/reproductions.md"
_HEAD = f"""# Reproductions

<!-- Made by `{COMMAND}`; the texts are in experiments/*.yaml. -->

Each experiment is a file in `experiments/`: chips, models, measures, the published figures with
their sources, and what had to be assumed. `archsim reproduce` lists them, `archsim reproduce
SYSTEM` runs one.

**how** says where a figure comes from: *simulated* cycle by cycle, *derived* from shapes and stated
numbers, or *quoted* without one of ours. **state** is *agrees* or *deviates* where a band (10 %
unless the file says otherwise) can be asked for, *compared* where the paper's information allows
none, *predicted* where nothing is published, and *not reproduced* where a figure is only quoted;
"why not closer" gives the reason. Every assumption is tried at half and at double, or at the two
values its file gives. A value that was chosen so that a figure comes out is marked *calibrated*,
and so is that figure, which is then no evidence. A curve is a measure at every combination of some
values, one row per line; `--out` also draws it. Noise of cells, accuracy and learning curves are
not simulated.
"""


def page(results: Sequence[ExperimentResult]) -> str:
    """The whole document as Markdown."""
    parts = [_HEAD, _summary(results)]
    for result in results:
        parts += [f"## {result.system}: {result.title}", f"{result.paper}.", result.learnt]
        parts.append(_section(figures_table([result])))
        for curve in result.curves:
            table = curve_table(curve)
            parts += [f"**{table.title}.** {table.note}", _section(table)]
        if result.assumptions:
            parts.append(_section(assumptions_table([result])))
        if result.sensitivity:
            parts.append(_section(sensitivity_table([result])))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _summary(results: Sequence[ExperimentResult]) -> str:
    lines = ["| system | agrees | calibrated | deviates | compared | predicted | not reproduced |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for result in results:
        counts: Counter[str] = Counter(figure.state for figure in result.figures)
        cells = [str(counts[state] or "") for state in STATES]
        lines.append(f"| {result.system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _section(table: Table) -> str:
    """A table without its heading and note, which the page has once."""
    text = to_markdown(table)
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))
