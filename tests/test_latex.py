"""Tables as LaTeX: short ones on a page, long ones over several, wide texts folded."""

from __future__ import annotations

import re
import shutil
import subprocess
from operator import itemgetter
from pathlib import Path

import pytest

from archsim.tables.latex import LONG, WIDE, to_latex
from archsim.tables.table import Column, Table, to_csv

WORDS = "fine-tuning over 100 % of the weights, "


def table(records: int, words: str = WORDS) -> Table:
    return Table(
        "Saved & kept",
        (
            Column("name", "name", itemgetter(0), fold=20),
            Column("value", "value", itemgetter(1), "{:.1f} %".format, right=True),
            Column("reason", "reason", itemgetter(0), rank=1, fold=20),
        ),
        [(f"{words}{n}", n / 2) for n in range(records)],
    )


def test_a_short_table_floats_and_a_long_one_breaks() -> None:
    short, long = to_latex(table(LONG)), to_latex(table(LONG + 1))
    assert short.startswith(r"\begin{table}") and r"\begin{tabular}" in short
    assert long.startswith(r"\begin{longtable}") and r"\begin{table}" not in long
    assert long.count(r"\toprule") == 2 and r"\endhead" in long
    for text, records in ((short, LONG), (long, LONG + 1)):
        assert len(re.findall(r"^fine-tuning.*\\\\$", text, re.MULTILINE)) == records
        assert r"Saved \& kept" in text and r"100 \%" in text


def test_wide_texts_fold_and_share_the_line() -> None:
    assert len(WORDS) > WIDE
    assert r"{p{0.225\linewidth}rp{0.225\linewidth}}" in to_latex(table(2))
    assert r"{p{0.45\linewidth}r}" in to_latex(table(2), most_rank=0)
    assert r"{lrl}" in to_latex(table(2, "short "))


def test_both_kinds_compile(tmp_path: Path) -> None:
    text = to_latex(table(3)) + to_latex(table(2 * LONG), most_rank=0)
    assert text.count(r"\begin{") == text.count(r"\end{")
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    head = r"\documentclass{article}\usepackage{booktabs,longtable}\begin{document}"
    (tmp_path / "t.tex").write_text(f"{head}\n{text}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def _first_cells(*cells: str) -> str:
    column = Column("name", "name", str)
    return to_latex(Table("a & b\n\n second paragraph", (column,), cells))


def test_a_row_that_begins_like_an_argument_is_none() -> None:
    text = _first_cells("plain", "[second]", "*third")
    assert "\n{}[second] \\\\\n{}*third \\\\\n" in text
    assert "\nplain \\\\\n" in text


def test_a_caption_is_one_paragraph() -> None:
    assert r"\caption{a \& b second paragraph}" in _first_cells("x")


def test_csv_text_is_no_formula_and_numbers_stay_numbers() -> None:
    column = Column("name", "name", lambda value: value)
    cells = ("=1+1", "+a", "-a", "@a", "-1.5", -1.5, "a=b")
    lines = to_csv(Table("", (column,), cells)).splitlines()
    assert lines == ["name", "'=1+1", "'+a", "'-a", "'@a", "-1.5", "-1.5", "a=b"]
