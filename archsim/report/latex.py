"""A table as LaTeX with the rules of the booktabs package."""

from __future__ import annotations

from archsim.report.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def to_latex(table: Table) -> str:
    """The table for people as a LaTeX `table`; needs `\\usepackage{booktabs}`."""
    columns = table.shown
    spec = "".join("r" if column.right else "l" for column in columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(table.title)}}}",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        _line([column.title for column in columns]),
        r"\midrule",
        *(_line([column.cell(record) for column in columns]) for record in table.records),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text in which LaTeX finds no commands."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _line(cells: list[str]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"
