"""Reproductions: what an experiment file means, and how its figures come about."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.reproduce.assumptions import merged, placed, scaled
from archsim.reproduce.bench import Bench
from archsim.reproduce.load import Experiment, load_experiment
from archsim.reproduce.registry import measures
from archsim.reproduce.result import FigureResult
from archsim.reproduce.run import run_experiment
from archsim.reproduce.store import Store

ROOT = Path(__file__).resolve().parents[1]


def document(**changes: Any) -> dict[str, Any]:
    """A small experiment: two layers, one of them half as large."""
    base: dict[str, Any] = {
        "archsim_experiment": 1,
        "title": "two layers",
        "paper": "none",
        "learnt": "Weights add up.",
        "models": {
            "large": {"linear": [6, 10], "seq": 3},
            "small": {"linear": [3, 10], "seq": 3},
        },
        "measures": {
            "large": {"kind": "parameters", "model": "large"},
            "small": {"kind": "parameters", "model": "small"},
            "ratio": {
                "kind": "formula",
                "expression": "factor * large / small",
                "given": {"factor": 1},
            },
        },
        "assumptions": [
            {"name": "factor", "value": 5.0, "paths": ["measures.ratio.given.factor"],
             "source": "assumption"}
        ],
        "figures": [
            {"name": "weights", "published": 60, "source": "by hand", "measure": "large"},
            {"name": "ratio", "published": 9, "source": "by hand", "measure": "ratio"},
        ],
    }  # fmt: skip
    return merged(base, changes)


def load(folder: Path, **changes: Any) -> Experiment:
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(document(**changes)), encoding="utf-8")
    return load_experiment(path)


def test_figures_come_from_measures_with_assumptions_in_place(tmp_path: Path) -> None:
    weights, ratio = run_experiment(load(tmp_path)).figures
    assert (weights.simulated, weights.ratio, weights.state) == (60.0, 1.0, "agrees")
    assert ratio.simulated == 10.0  # 5 x 60 / 30
    assert ratio.ratio == pytest.approx(10 / 9)
    assert ratio.state == "deviates"


def test_sensitivity_has_the_figures_that_depend_on_an_assumption(tmp_path: Path) -> None:
    (row,) = run_experiment(load(tmp_path)).sensitivity
    assert (row.assumption, row.figure) == ("factor", "ratio")
    assert (row.low, row.stated, row.high) == (5.0, 10.0, 20.0)


def test_an_assumption_on_a_model_reaches_all_that_it_is_part_of(tmp_path: Path) -> None:
    inputs = {"name": "inputs", "value": "placeholder", "paths": ["models.large.linear"],
            "low": [3, 10], "high": [12, 10], "source": "assumption"}  # fmt: skip
    with pytest.raises(InputError, match="linear"):
        load(tmp_path, assumptions=[inputs])


def test_unfit_ends_of_a_sensitivity_are_left_empty(tmp_path: Path) -> None:
    changes = {
        "assumptions": [
            {"name": "divisor", "value": 2, "low": 0, "high": 4, "source": "assumption",
             "paths": ["measures.ratio.given.factor"]}
        ],
        "measures": {"ratio": {"expression": "large / factor"}},
    }  # fmt: skip
    (row,) = run_experiment(load(tmp_path, **changes)).sensitivity
    assert (row.low, row.stated, row.high) == (None, 30.0, 15.0)


@pytest.mark.parametrize(
    ("published", "high", "ours", "state"),
    [
        (10.0, None, 10.9, "agrees"),
        (10.0, None, 11.2, "deviates"),
        (5.0, 37.0, 12.0, "agrees"),
        (5.0, 37.0, 40.0, "agrees"),
        (5.0, 37.0, 4.0, "deviates"),
        (None, None, 3.0, "predicted"),
        (10.0, None, None, "not reproduced"),
    ],
)
def test_states(
    published: float | None, high: float | None, ours: float | None, state: str
) -> None:
    figure = FigureResult(
        name="x", published=published, published_high=high, simulated=ours, band=0.1
    )
    assert figure.state == state


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"figures": [{"name": "x", "published": 3, "measure": "large"}]}, "source"),
        ({"figures": [{"name": "x", "published": 3, "source": "p", "measure": "larg"}]},
         "Did you mean 'large'"),
        ({"figures": [{"name": "x", "how": "quoted"}]}, "why_not"),
        ({"figures": [{"name": "x", "published": 3, "source": "p", "measure": "large",
                       "band": None}]}, "why_not"),
        ({"measures": {"large": {"kind": "parametres"}}}, "Did you mean 'parameters'"),
        ({"measures": {"large": {"model": "lage"}}}, "Did you mean 'large'"),
        ({"measures": {"ratio": {"expression": "ratio + 1"}}}, "need one another"),
        ({"measures": {"ratio": {"expression": "large / ("}}}, "not an expression"),
        ({"assumptions": [{"name": "a", "value": 1, "source": "s", "paths": ["model.large"]}]},
         "Did you mean 'models'"),
        ({"models": {"large": {"linear": None, "trace": "llama.trace.json"}}}, "archsim trace"),
        ({"models": {"large": {"config": "bert-base"}}}, "one of trace, config and linear"),
        ({"methods": {"m": {"kind": "xbn"}}}, "Did you mean 'xbm'"),
    ],
)  # fmt: skip
def test_bad_experiments_are_refused_at_load(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as fault:
        load(tmp_path, **changes)
    assert words in str(fault.value)
    assert "case.yaml" in str(fault.value)


def test_unknown_system_names_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'halora'"):
        load_experiment("halroa")


@given(st.integers(1, 10**6), st.sampled_from([0.5, 2.0]))
def test_scaling_keeps_whole_numbers_and_units(value: int, factor: float) -> None:
    whole = scaled(value, factor)
    assert isinstance(whole, int) and whole >= 1
    assert scaled(float(value), factor) == value * factor
    text = scaled(f"{value} MHz", factor)
    assert str(text).endswith(" MHz")
    assert float(str(text).split()[0]) == pytest.approx(value * factor)


def test_text_that_is_no_quantity_cannot_be_scaled() -> None:
    with pytest.raises(InputError, match="low and high"):
        scaled("fp32", 2)


def test_a_change_may_add_keys_to_a_chip_and_nowhere_else() -> None:
    data: dict[str, Any] = {"chips": {"a": {"arch": "x.yaml"}}}
    placed(data, "chips.a.change.chip.tile.count", 3, None)
    assert data["chips"]["a"]["change"] == {"chip": {"tile": {"count": 3}}}
    with pytest.raises(InputError, match="leads nowhere"):
        placed(data, "chips.b.arch", 3, None)
    with pytest.raises(InputError, match="single value"):
        placed(data, "chips.a.arch.x", 3, None)


def test_values_are_kept_by_content_and_survive_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, folder = load(tmp_path), tmp_path / "values"
    first = Bench(experiment, Store(folder))
    assert first.value("ratio") == 10.0
    files = list(folder.iterdir())
    assert len(files) == 3
    again = Bench(load(tmp_path, title="another title"), Store(folder))
    monkeypatch.setattr(type(experiment.measures["large"]), "value", lambda *_: math.nan)
    assert again.value("ratio") == 10.0  # nothing was worked out again
    monkeypatch.undo()
    for file in files:
        file.write_text("{", encoding="utf-8")
    assert Bench(experiment, Store(folder)).value("ratio") == 10.0
    assert all("value" in json.loads(file.read_text()) for file in files)


def test_an_unusable_folder_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    store = Store(file / "below")
    store.put("a", 1.0)
    assert store.get("a") == 1.0


def test_equal_content_under_other_names_has_the_same_key(tmp_path: Path) -> None:
    other = load(tmp_path, models={"copy": {"linear": [6, 10], "seq": 3}},
                 measures={"copied": {"kind": "parameters", "model": "copy"}})  # fmt: skip
    bench = Bench(other)
    assert bench.key("copied") == bench.key("large") != bench.key("small")


def test_every_measure_says_what_it_is() -> None:
    for kind, cls in measures().items():
        assert cls.__doc__, kind
        assert cls.value is not cls.__mro__[1].value, kind
