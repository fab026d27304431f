"""Curves of experiments: their values, tables and plots, and the measure of their least."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archsim.cli.main import main
from archsim.errors import InputError
from archsim.reproduce.assumptions import merged
from archsim.reproduce.bench import Bench
from archsim.reproduce.load import Experiment, load_experiment
from archsim.reproduce.page import page
from archsim.reproduce.result import AxisResult, CurveResult
from archsim.reproduce.run import run_experiment
from archsim.reproduce.store import Store
from archsim.reproduce.tables import curve_table
from archsim.tables.table import to_csv, to_markdown

AXES: list[dict[str, Any]] = [
    {"name": "layer", "paths": ["models.layer.linear"], "values": [[2, 3], [4, 5]]},
    {"name": "factor", "paths": ["measures.y.given.factor"], "values": [1, 10]},
    {"name": "x", "unit": "m", "paths": ["measures.y.given.x"], "values": [1, 2, 4]},
]


def document(**changes: Any) -> dict[str, Any]:
    """y = factor (values of the layer) / x + x: 2 panels with 2 lines of 3 points."""
    base: dict[str, Any] = {
        "archsim_experiment": 1,
        "title": "a curve",
        "paper": "none",
        "learnt": "Curves bend.",
        "models": {"layer": {"linear": [9, 9], "seq": 3}},
        "measures": {
            "values": {"kind": "parameters", "model": "layer"},
            "y": {"kind": "formula", "expression": "factor * values / x + x",
                  "given": {"factor": 1, "x": 1}},
            "least": {"kind": "least", "curve": "y over x",
                      "where": {"layer": [2, 3], "factor": 1}},
            "at": {"kind": "least", "curve": "y over x",
                   "where": {"layer": [2, 3], "factor": 1}, "at": "x"},
        },
        "assumptions": [{"name": "factor", "value": 3, "source": "assumption",
                         "paths": ["measures.y.given.factor"]}],
        "figures": [{"name": "least", "measure": "least"}, {"name": "at", "measure": "at"}],
        "curves": [{"name": "y over x", "unit": "m", "measure": "y", "axes": AXES,
                    "published": 7, "source": "by hand"}],
    }  # fmt: skip
    return merged(base, changes)


def load(folder: Path, **changes: Any) -> Experiment:
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(document(**changes), sort_keys=False), encoding="utf-8")
    return load_experiment(path)


def expected() -> list[float]:
    return [f * n / x + x for n in (6, 20) for f in (1, 10) for x in (1, 2, 4)]


def test_a_curve_has_the_measure_at_every_combination(tmp_path: Path) -> None:
    result = run_experiment(load(tmp_path))
    (curve,) = result.curves
    assert curve.values == expected()
    assert [name for name, _ in curve.lines] == [
        ("2 x 3", "1"), ("2 x 3", "10"), ("4 x 5", "1"), ("4 x 5", "10"),
    ]  # fmt: skip
    assert curve.lines[1][1] == [61.0, 32.0, 19.0]
    assert [figure.simulated for figure in result.figures] == [5.0, 2.0]  # 6 / 2 + 2, at 2
    assert CurveResult.model_validate_json(curve.model_dump_json()) == curve


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_lines_cut_the_values_in_order(panels: int, lines: int, points: int) -> None:
    sizes = (panels, lines, points)
    axes = [
        AxisResult(name=str(i), values=list(range(n)), labels=[str(v) for v in range(n)])
        for i, n in enumerate(sizes)
    ]
    count = panels * lines * points
    curve = CurveResult(name="c", measure="m", axes=axes, values=[float(v) for v in range(count)])
    assert [value for _, values in curve.lines for value in values] == curve.values
    assert curve.lines[-1][0] == (str(panels - 1), str(lines - 1))


def test_an_axis_lies_over_an_assumption_and_the_least_follows_it(tmp_path: Path) -> None:
    free = {"least": {"where": {"factor": None}}, "at": {"where": {"factor": None}}}
    assert run_experiment(load(tmp_path, measures=free)).sensitivity == []
    lengths = {"name": "length", "value": 6, "paths": ["models.layer.seq"], "source": "none"}
    sizes = {"name": "size", "value": 1.0, "paths": ["measures.y.given.extra"], "source": "none"}
    changes = {
        "measures": {"y": {"expression": "factor * values / x + x * extra"}},
        "assumptions": [lengths, sizes],
    }
    rows = run_experiment(load(tmp_path, **changes)).sensitivity
    assert {(row.assumption, row.figure) for row in rows} == {("size", "least"), ("size", "at")}
    least, at = rows
    # 6 / x + x / 2: 6.5, 4, 3.5; with 2 x: 8, 7, 9.5
    assert (least.low, least.stated, least.high) == (3.5, 5.0, 7.0)
    assert (at.low, at.stated, at.high) == (4.0, 2.0, 2.0)


def test_the_least_of_equal_values_is_the_first(tmp_path: Path) -> None:
    changes = {"measures": {"y": {"expression": "values + 0 * x * factor"}}}
    assert Bench(load(tmp_path, **changes)).value("at") == 1.0


def test_points_that_cannot_be_had_are_left_empty(tmp_path: Path) -> None:
    changes = {"measures": {"y": {"expression": "values / (x - 2) + factor"}}}
    result = run_experiment(load(tmp_path, **changes))
    (curve,) = result.curves
    assert curve.lines[0][1] == [-5.0, None, 4.0]
    assert result.figures[0].simulated == -5.0
    assert "| -5 m | - | 4 m |" in to_markdown(curve_table(curve))


def test_a_curve_without_any_point_is_an_error(tmp_path: Path) -> None:
    measures = {"y": {"expression": "values / (x - x)"}, "least": None, "at": None}
    figures = [{"name": "values", "measure": "values"}]
    with pytest.raises(InputError):
        run_experiment(load(tmp_path, measures=measures, figures=figures))


def test_values_of_curves_are_kept_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, folder = load(tmp_path), tmp_path / "values"
    first = run_experiment(experiment, cache=folder)
    files = {path.name for path in folder.iterdir()}
    monkeypatch.setattr(type(experiment.measures["y"]), "value", lambda *_: 1 / 0)
    assert run_experiment(experiment, cache=folder) == first
    assert {path.name for path in folder.iterdir()} == files


def test_values_of_another_version_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import archsim.reproduce.bench as bench

    experiment, folder = load(tmp_path), tmp_path / "values"
    assert Bench(experiment, Store(folder)).value("least") == 5.0
    for file in folder.iterdir():
        file.write_text(json.dumps({"value": 99.0}))
    assert Bench(experiment, Store(folder)).value("least") == 99.0
    monkeypatch.setattr(bench, "code_hash", lambda: "another version")
    assert Bench(experiment, Store(folder)).value("least") == 5.0


def test_a_least_depends_on_the_points_and_not_on_names(tmp_path: Path) -> None:
    bench = Bench(load(tmp_path))
    curves = [merged(document()["curves"][0], {"name": "renamed"})]
    measures = {"least": {"curve": "renamed"}, "at": {"curve": "renamed"}}
    other = Bench(load(tmp_path, curves=curves, measures=measures))
    assert other.key("least") == bench.key("least") != bench.key("at")
    axes = [*AXES[:2], AXES[2] | {"values": [1, 2]}]
    shorter = Bench(load(tmp_path, curves=[document()["curves"][0] | {"axes": axes}]))
    assert shorter.key("least") != bench.key("least")


def test_reduced_curves_keep_the_ends_and_what_measures_ask_for(tmp_path: Path) -> None:
    asked = {"least": {"where": {"x": 4}}}
    axes = [*AXES[:2], AXES[2] | {"values": [1, 2, 3, 4, 5]}]
    curves = [document()["curves"][0] | {"axes": axes}]
    reduced = load(tmp_path, curves=curves, measures=asked).reduced()
    assert reduced.file.curves[0].axes[2].values == [1, 4, 5]
    assert Bench(reduced).value("least") == 6 / 4 + 4


def bad(**changes: Any) -> dict[str, Any]:
    return {"curves": [document()["curves"][0] | changes]}


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        (bad(measure="z"), "curves[0].measure", "there is no measure 'z'"),
        (bad(axes=[]), "curves[0].axes", "at least 1"),
        (bad(axes=[AXES[2] | {"values": []}]), "curves[0].axes[0].values", "at least 1"),
        (bad(axes=[AXES[2] | {"values": [1, 2, 1]}]), "curves[0].axes[0].values", "twice"),
        (bad(axes=[AXES[2], AXES[2]]), "curves[0]", "same name"),
        (bad(source=""), "curves[0]", "source"),
        (bad(axes=[*AXES[:2], AXES[2] | {"paths": ["measure.y.given.x"]}]),
         "curves[0].axes[2].paths[0]", "Did you mean 'measures'"),
        (bad(axes=[AXES[0] | {"values": [[2, 3], [4, 0]]}, *AXES[1:]]),
         "curves[0].axes[0].values[1]", "1 or more"),
        ({"measures": {"least": {"curve": "y over z"}}}, "measures.least.curve",
         "Did you mean 'y over x'"),
        ({"measures": {"least": {"where": {"layers": 1}}}}, "measures.least",
         "Did you mean 'layer'"),
        ({"measures": {"least": {"where": {"factor": 3}}}}, "measures.least",
         "Its values: 1, 10"),
        ({"measures": {"at": {"at": "factor"}}}, "measures.at", "held at one value"),
        ({"measures": {"at": {"where": {"layer": None}, "at": "layer"}}}, "measures.at",
         "no numbers"),
        ({"measures": {"y": {"expression": "least + x + factor + values"}}}, "measures.y",
         "need one another"),
        ({"curves": [document()["curves"][0]] * 2}, "curves[1]", "two curves"),
    ],
)  # fmt: skip
def test_bad_curves_are_refused_at_load(
    tmp_path: Path, changes: dict[str, Any], key: str, words: str
) -> None:
    with pytest.raises(InputError) as fault:
        load(tmp_path, **changes)
    said = str(fault.value)
    assert words in said
    assert f"({key})" in said
    assert "case.yaml:" in said


def test_a_table_has_a_row_per_line_and_a_column_per_x(tmp_path: Path) -> None:
    result = run_experiment(load(tmp_path))
    table = curve_table(result.curves[0])
    text = to_markdown(table)
    assert "| layer | factor | 1 m | 2 m | 4 m |" in text
    assert "| 2 x 3 | 10 | 61 m | 32 m | 19 m |" in text
    assert "Published: 7 m (by hand)." in text
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert list(rows[0]) == ["layer", "factor", "x=1", "x=2", "x=4"]
    assert [float(row[name]) for row in rows for name in ("x=1", "x=2", "x=4")] == expected()
    whole = page([result])
    assert "**y over x.** Columns: x. Published: 7 m (by hand)." in whole
    assert "| 4 x 5 | 10 | 201 m | 102 m | 54 m |" in whole


def test_out_has_a_table_and_a_plot_of_every_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(tmp_path)
    folder = tmp_path / "made"
    command = ["reproduce", str(tmp_path / "case.yaml"), "--out", str(folder)]
    for kind, ending in (("csv", "csv"), ("latex", "tex"), ("json", "json"), ("md", "md")):
        assert main([*command, "--format", kind]) == 0
        assert (folder / f"curve-case-1-y-over-x.{ending}").is_file()
    out = capsys.readouterr().out
    assert "| 2 x 3 | 10 | 61 m |" in out and "x=4" in out
    assert (folder / "curve-case-1-y-over-x.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "curve-case-1-y-over-x.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads((folder / "curve-case-1-y-over-x.json").read_text())
    assert rows[0] == {"layer": "2 x 3", "factor": "1", "x=1": 7.0, "x=2": 5.0, "x=4": 5.5}


def heights(line: Any) -> list[float]:
    """What a drawn line is made of."""
    return [float(y) for y in line.get_ydata()]


def test_the_plot_has_a_panel_per_outer_value_and_the_published_level(tmp_path: Path) -> None:
    from archsim.plots.curve_figures import draw_curve

    (curve,) = run_experiment(load(tmp_path)).curves
    figure = draw_curve(curve, 7.0)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["layer 2 x 3", "layer 4 x 5"]
    lines = panels[0].get_lines()
    assert [heights(line) for line in lines[:2]] == [[7.0, 5.0, 5.5], [61.0, 32.0, 19.0]]
    assert [line.get_label() for line in lines] == ["factor 1", "factor 10", "published"]
    assert set(heights(lines[2])) == {7.0}


def test_a_curve_of_one_axis_of_names_can_be_drawn() -> None:
    from archsim.plots.curve_figures import draw_curve

    axis = AxisResult(name="kind", values=["a", "b"], labels=["a", "b"])
    curve = CurveResult(name="c", unit="%", measure="m", axes=[axis], values=[0.5, None])
    (axes,) = draw_curve(curve, 3.5).axes
    assert heights(axes.get_lines()[0])[0] == 50.0
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b"]


def test_without_matplotlib_tables_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import archsim.system.packages as packages

    def missing(*_: object) -> None:
        raise InputError("a plot of a curve needs the package 'matplotlib'.")

    load(tmp_path)
    monkeypatch.setattr(packages, "need", missing)
    folder = tmp_path / "made"
    assert main(["reproduce", str(tmp_path / "case.yaml"), "--out", str(folder)]) == 0
    assert "matplotlib" in capsys.readouterr().err
    assert (folder / "curve-case-1-y-over-x.md").is_file()
    assert not list(folder.glob("*.png"))


def test_the_engine_gives_the_times_of_the_cluster_by_hand() -> None:
    """130 clocks of two calls and products at 31.6 a clock, of 2 ns, over the integrations."""
    experiment = load_experiment("ahwa-lora")
    bench = Bench(experiment)
    for tokens, layer, integration in ((8, [512, 128], 512), (128, [128, 128], 128)):
        where: dict[str, Any] = {
            "layer": layer,
            "integration": integration,
            "tokens per group": tokens,
        }
        ((_, point),) = bench.points("cluster over tile", where)
        clocks = 130 + sum(-(-8 * size * tokens // 31.616) for size in layer)
        hand = clocks * 2 / (tokens * integration)
        # A group may wait for the last of its tokens to leave the tile: one integration at most.
        late = 1 / tokens if tokens == 128 else 2e-3 * hand
        assert hand * (1 - 1e-9) <= point.value("ratio") <= hand + late
