"""The Pareto front: what it holds, and how it is printed and drawn."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli_support import Shell, shell
from test_sweep_support import GRID, Bench

from archsim.errors import InputError
from archsim.sweep import run_sweep
from archsim.sweep.pareto import pareto
from archsim.tables.latex import to_latex
from archsim.tables.table import Column, Table

__all__ = ["shell"]
Points = list[tuple[int, int]]


def rows(points: Points) -> list[dict[str, object]]:
    return [
        {"index": i, "status": "ok", "word": "x", "a": a, "b": b} for i, (a, b) in enumerate(points)
    ]


def front(points: Points, *objectives: str) -> set[int]:
    return {row["index"] for row in pareto(rows(points), objectives)}


def test_a_front_by_hand() -> None:
    points = [(1, 5), (2, 3), (3, 3), (4, 1), (2, 3), (5, 5)]
    assert front(points, "a", "b") == {0, 1, 3, 4}
    assert front(points, "max:a", "b") == {3, 5}
    assert front(points, "a") == {0}
    assert [row["index"] for row in pareto(rows(points), ["b", "a"])] == [3, 1, 4, 0]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_the_front_is_what_the_definition_says(points: Points) -> None:
    def beaten(p: tuple[int, int]) -> bool:
        return any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)

    assert front(points, "a", "max:b") == {i for i, p in enumerate(points) if not beaten(p)}


def test_only_points_with_a_result_count() -> None:
    data = rows([(2, 2), (1, 1)])
    data[1] |= {"status": "excluded"}
    assert [row["index"] for row in pareto(data, ["a", "b"])] == [0]
    with pytest.raises(InputError, match="no point"):
        pareto([data[1]], ["a"])


@pytest.mark.parametrize(
    ("objectives", "said"),
    [(["energy"], "Valid here: a, b"), (["word"], "not a number"), (["a", "max:a"], "twice")],
)
def test_bad_objectives(objectives: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        pareto(rows([(1, 1)]), objectives)
    assert said in str(caught.value)


def test_latex_has_the_rules_of_booktabs_and_no_commands_of_the_data() -> None:
    columns = [Column("n", "a_b", lambda r: r[0]), Column("x", "x", lambda r: r[1], right=True)]
    text = to_latex(Table("50 % & more", columns, [(r"\input{x}", 1), ("#$~^", 2)]))
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1
    assert r"\begin{tabular}{lr}" in text and r"a\_b & x \\" in text
    assert r"\textbackslash{}input\{x\} & 1 \\" in text
    assert r"50 \% \& more" in text and r"\#\$\textasciitilde{}\textasciicircum{} & 2" in text


def test_the_command(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHSIM_SWEEP_CACHE", "off")
    out = shell.folder / "out"
    run_sweep(Bench(shell.folder).file(GRID), out, workers=0)
    found = json.loads(shell("pareto", out, "--format", "json").out)
    costs = [(row["energy_j"], row["latency_s"], row["area_mm2"]) for row in found]
    assert all(a < b and a[1] >= b[1] for a, b in pairwise(costs))
    assert shell("pareto", out).out.startswith("Pareto front: energy_j, latency_s, area_mm2")
    table = shell("pareto", out, "--format", "csv", "--objectives", "latency_s,max:tops_per_w").out
    assert table.splitlines()[0] == "index,tile.pe.adc.rate,tile.bus.wires,latency_s,tops_per_w"
    assert r"\toprule" in shell("pareto", out, "--format", "latex").out
    pictures = {"a.png": b"\x89PNG", "b.pdf": b"%PDF"}
    for name, start in pictures.items():
        assert shell("pareto", out, "--plot", shell.folder / name).status == 0
        assert (shell.folder / name).read_bytes().startswith(start)
    assert shell("pareto", "--plot", "--objectives", "energy_j,latency_s", "--", out).status == 0
    assert (out / "pareto.png").exists()
    assert ".png" in shell.refused("pareto", out, "--plot", shell.folder / "x.gif")
    assert "energy_j" in shell.refused("pareto", out, "--objectives", "energi_j")
    assert "no such folder" in shell.refused("pareto", shell.folder / "nothing")
