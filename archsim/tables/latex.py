"""A table as LaTeX with the rules of the booktabs package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archsim.tables.table import Column, Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


LONG = 45  # records; what has more is broken over pages
WIDE = 30  # letters; a text that is longer folds, if its column may


def to_latex(table: Table, most_rank: int | None = None) -> str:
    """The table for people as a LaTeX `table`; needs `\\usepackage{booktabs}`.

    More than LONG records make a `longtable`, which needs that package too. most_rank: columns of a
    higher rank, which a narrow terminal leaves out first, are left out.
    """
    columns = [c for c in table.shown if most_rank is None or c.rank <= most_rank]
    spec = _specification(columns, table.records)
    head = [r"\toprule", _line([column.title for column in columns]), r"\midrule"]
    body = [_line([column.cell(record) for column in columns]) for record in table.records]
    caption = rf"\caption{{{escaped(table.title)}}}"
    if len(body) > LONG:
        lines = [
            rf"\begin{{longtable}}{{{spec}}}",
            caption + r" \\",
            *head,
            r"\endfirsthead",
            *head,
            r"\endhead",
            *body,
            r"\bottomrule",
            r"\end{longtable}",
        ]
    else:
        lines = [
            r"\begin{table}",
            r"\centering",
            caption,
            rf"\begin{{tabular}}{{{spec}}}",
            *head,
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text in which LaTeX finds no commands and no paragraphs: an empty line ends a caption."""
    kept = (character if character.isprintable() else " " for character in text)
    return " ".join("".join(_SPECIAL.get(character, character) for character in kept).split())


def _specification(columns: Sequence[Column], records: Sequence[Any]) -> str:
    """One letter per column; wide texts that may fold share 0.45 of the line."""
    longest = [max((len(c.cell(record)) for record in records), default=0) for c in columns]
    wide = [c.fold > 0 and n > WIDE for c, n in zip(columns, longest, strict=True)]
    folded = rf"p{{{0.45 / max(sum(wide), 1):.3g}\linewidth}}"
    return "".join(
        "r" if c.right else folded if fold else "l" for c, fold in zip(columns, wide, strict=True)
    )


def _line(cells: list[str]) -> str:
    # Behind the \\\\ or the rule above, a [ or * would be an argument of it.
    line = " & ".join(escaped(cell) for cell in cells)
    return (f"{{}}{line}" if line.startswith(("[", "*")) else line) + r" \\"
