"""Fabricated macros as a table, as JSON and as docs/silicon.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import Any

from archsim.reproduce.silicon.run import Row, summary
from archsim.tables.table import Column, Table, to_markdown

COMMAND = "archsim reproduce silicon --page docs/silicon.md"
_HEAD = f"""# Fabricated macros

<!-- Made by `{COMMAND}`; the chips are in arch_configs/silicon/. -->

Each chip is a YAML in `arch_configs/silicon/` that states structure alone (rows, columns, bits,
converters); what it costs comes from [cost models](cost_models.md). Throughput and energy are
those of a fully connected layer that fills the macro, run on the engine: the steady state between
the first and the last vector, and the macro's parts without what surrounds it. Structure and
published figures were read in KULeuven-MICAS/zigzag-imc, mit-emze/cimloop, ISAAC's Table I and
the abstract of FP-SMR.

**inputs** says what a figure rests on: *predicted* from structure and models, *typed* where it
follows from a clock or read time that the paper measured and the file types. Digital macros are
predicted **leave-one-out**: delay, area and energy of a gate are scaled by the geometric mean
over the other digital chips, so that no figure of a chip enters its own prediction; *shipped* is
the ratio with the gates as they are shipped, which their authors fitted to all four. Analog
macros have no fitted constant; *one constant* is the ratio at other supplies when one constant
per figure is fitted at the first. Figures whose conditions the paper does not state are shown and
not counted. An error is the larger of ours and the published one over the smaller, less one.
"""
_TAIL = """What is far off, and why as far as it can be told:

- **Area of analog macros** is low (0.06 to 0.4): cells and converters are priced, and neither
  control, repeaters, decoupling nor test logic.
- **Digital area** of accumulators that stand before the tree, and of custom adder trees (dimc4),
  is off by a third to a half: the model has ripple-carry adders of one library.
- **Analog efficiency** of charge-domain macros is up to 3.5 times too good: row drivers, clocks
  and references are not all there, and converters of 65 nm cost three times (100 fF b + 1 aF 4^b)
  V^2.
- **Speed over supply** follows the alpha-power law with one threshold within 6 % at 22 and 7 nm
  and misses a low-power 65 nm process (0.56).
- **ISAAC's Table I** holds numbers of several sources and nodes (a converter scaled from a
  published one, one-transistor DACs, registers of a few fJ): structure alone does not give them
  back within 25 % a row.
"""


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows and their summary."""
    return {
        "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
        "summary": asdict(summary(list(rows))),
    }


def silicon_table(rows: Sequence[Row]) -> Table:
    """One row per figure."""
    found = summary(list(rows))
    columns = (
        Column("chip", "chip", attrgetter("chip"), fold=8),
        Column("figure", "figure", attrgetter("figure"), fold=12),
        Column("supply", "at", attrgetter("supply"), rank=1),
        Column("unit", "unit", attrgetter("unit")),
        Column("published", "published", attrgetter("published"), _figure, right=True),
        Column("archsim", "archsim", attrgetter("archsim"), _figure, right=True),
        Column("ratio", "ratio", attrgetter("ratio"), _ratio, right=True),
        Column("shipped_ratio", "shipped", _shipped, _ratio, right=True, rank=2),
        Column("one_constant_ratio", "one constant", _fitted, _ratio, right=True, rank=2),
        Column("inputs", "inputs", attrgetter("inputs")),
        Column("why", "not counted", attrgetter("why"), rank=3, fold=12),
    )
    note = (
        f"{found.figures} figures of {found.chips} chips; {found.predicted} are predictions: "
        f"median error {found.median_error:.0%}, worst {found.worst_error:.0%}."
    )
    return Table("Fabricated macros", columns, list(rows), note)


def page(rows: Sequence[Row]) -> str:
    """docs/silicon.md."""
    table = silicon_table(rows)
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    return "\n\n".join([_HEAD.strip(), f"**{table.note}**", "\n".join(lines), _TAIL.strip()]) + "\n"


def _shipped(row: Row) -> float | None:
    return None if row.plain == row.archsim else row.plain / row.published


def _fitted(row: Row) -> float | None:
    return None if row.fitted is None else row.fitted / row.published


def _figure(value: float) -> str:
    return f"{value:.4g}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
