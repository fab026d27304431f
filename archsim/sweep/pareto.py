"""Points of a sweep that no other point beats in every objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archsim.errors import InputError, nearest
from archsim.sweep.search import objective_names

Row = Mapping[str, Any]


def pareto(rows: Sequence[Row], objectives: Sequence[str]) -> list[Row]:
    """Rows with status ok that are not dominated, best in the first objective first.

    objectives: columns to minimise, or `max:` and a column to maximise. A row is dominated if
    another is at least as good in every objective and better in one; equal rows are all kept.
    Raises InputError for a column that is not there or holds no numbers.
    """
    _check(rows, objectives)
    signs = [(name, -1.0 if more else 1.0) for name, more in objective_names(objectives)]
    ok = [row for row in rows if row["status"] == "ok"]
    costs = [tuple(sign * row[name] for name, sign in signs) for row in ok]
    # Sorted, a row can only be dominated by one before it, and by one that is itself kept.
    kept: list[int] = []
    for i in sorted(range(len(ok)), key=lambda i: costs[i]):
        if not any(_dominates(costs[k], costs[i]) for k in kept):
            kept.append(i)
    return [ok[i] for i in kept]


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def _check(rows: Sequence[Row], objectives: Sequence[str]) -> None:
    if not any(row["status"] == "ok" for row in rows):
        raise InputError("no point of the sweep has a result.", fix="Run the sweep first.")
    names = [name for name, _ in objective_names(objectives)]
    numeric = [
        name
        for name in rows[0]
        if all(_is_number(row[name]) for row in rows if row["status"] == "ok")
    ]
    for name in names:
        if name not in rows[0]:
            raise InputError(
                f"'{name}' is no column of the results.",
                "--objectives",
                nearest(name, [n for n in numeric if n != "index"]),
            )
        if name not in numeric:
            raise InputError(
                f"'{name}' is not a number in every result.",
                "--objectives",
                "Choose a figure such as energy_j.",
            )
    if len(set(names)) < len(names):
        raise InputError("an objective is named twice.", "--objectives", "Remove one.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
