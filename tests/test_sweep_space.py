"""Axes, expressions and everything in a sweep file that can be wrong."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sweep_support import GRID, TRACE, Bench, bench

from archsim.errors import InputError
from archsim.schema.expression import ExpressionError, parse_expression
from archsim.sweep import run_sweep
from archsim.sweep.model import Range
from archsim.sweep.space import BadAxis, make_axis

__all__ = ["bench"]


def value(text: str, **names: object) -> object:
    return parse_expression(text).value(lambda name: names[name.replace(".", "_")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3 * 4 ** 2 // 5 % 4", 2 + 3 * 4**2 // 5 % 4),
        ("-2 ** 2", -4),
        ("ceil(log2(100))", 7),
        ("max(1, 2.5, min(9, 4))", 4),
        ("1 < 2 < 3 and not 2 > 3", True),
        ("5 if 1 > 2 else 6", 6),
        ("1.2 GHz / 100 MHz", 12),
        ("2 mW * 3", 0.006),
        ("100 mm2", 100),
        ("1 KB", 8192),
    ],
)
def test_arithmetic(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


def test_names_are_known_before_evaluation() -> None:
    expression = parse_expression("chip.tile.pe.array.size[1] * columns + run.batch")
    assert expression.names == {"tile.pe.array.size", "columns", "run.batch"}
    assert value("a.b[1] * c", a_b=(3, 5), c=2) == 10


@given(st.integers(-99, 99), st.integers(-99, 99), st.integers(1, 99))
def test_arithmetic_is_pythons(a: int, b: int, c: int) -> None:
    text = f"({a} + {b}) * {c} - {a} / {c} + {b} // {c}"
    assert value(text) == (a + b) * c - a / c + b // c


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "open('/etc/passwd')",
        "max(*a)",
        "a := 3",
        "f'{a}'",
        "1 +",
        "",
        "x" * 501,
        "3 parsec",
        "(" * 300 + "1" + ")" * 300,
    ],
)
def test_nothing_but_arithmetic_is_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text)


@pytest.mark.parametrize("text", ["1 / 0", "9 ** 9 ** 9", "10 ** 999 * 1.0", "sqrt(-1)", "'a' + 1"])
def test_what_has_no_value_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        value(text)


def axis(**given: object) -> tuple[object, ...] | None:
    return make_axis("x", Range.model_validate(given)).values


def test_ranges() -> None:
    assert axis(**{"from": 1, "to": 5, "steps": 5}) == (1, 2, 3, 4, 5)
    assert axis(**{"from": 16, "to": 256, "steps": 5, "scale": "log"}) == (16, 32, 64, 128, 256)
    assert axis(**{"from": 0.1, "to": 0.5, "step": 0.2}) == (0.1, 0.3, 0.5)
    assert axis(**{"from": "0.5 GHz", "to": "1.5 GHz", "steps": 3}) == (
        "0.5 GHz",
        "1 GHz",
        "1.5 GHz",
    )
    assert axis(**{"from": 1, "to": 3, "steps": 9}) == (1, 2, 3)
    assert axis(**{"from": 1, "to": 9}) is None


@pytest.mark.parametrize(
    "given",
    [
        {"from": 5, "to": 1, "steps": 3},
        {"from": 0, "to": 8, "steps": 3, "scale": "log"},
        {"from": "1 GHz", "to": "2000 MHz", "steps": 2},
        {"from": "fast", "to": 8, "steps": 2},
        {"from": 0, "to": 1, "step": 1e-9},
    ],
)
def test_bad_ranges(given: dict[str, object]) -> None:
    with pytest.raises(BadAxis):
        axis(**given)


@given(st.floats(0, 1, exclude_max=True), st.booleans(), st.booleans())
def test_any_share_of_an_axis_is_within_it(share: float, log: bool, integer: bool) -> None:
    given = {"from": 2, "to": 9, "scale": "log" if log else "linear", "integer": integer}
    found = make_axis("x", Range.model_validate(given)).at(share)
    assert 2 <= found <= 9
    assert not integer or isinstance(found, int)


BAD = {
    "misspelt path": ("axes: {tile.pe.adc.resolutoin: [4, 5]}", "tile.pe.adc.resolution"),
    "misspelt plain name": ("axes: {clok: [1 GHz]}", "clock"),
    "empty axis": ("axes: {tile.count: []}", "is empty"),
    "no axis": ("axes: {}", "no axes"),
    "the same value twice": ("axes: {tile.count: [4, 4]}", "twice"),
    "both spellings": ("axes: {tile.count: [1], chip.tile.count: [2]}", "an axis already"),
    "grid without steps": ("axes: {tile.count: {from: 1, to: 9}}", "steps"),
    "unknown run option": ("axes: {run.bath: [1, 2]}", "run.batch"),
    "unknown trace value": ("axes: {trace.precision.wieght: [2]}", "trace.precision.weight"),
    "unknown method": ("axes: {tile.count: [1]}\nmethods: [lora]", "not a known method"),
    "unknown name": ("axes: {tile.count: [1]}\nconstraints: [area < 3]", "area_mm2"),
    "unknown function": ("axes: {n: [1]}\nconstraints: [sin(n) < 3]", "not a known function"),
    "circle": ("axes: {tile.count: [1]}\nderived: {a: b + 1, b: a + 1}", "need each other"),
    "derived axis": ("axes: {tile.count: [1]}\nderived: {tile.count: 3}", "an axis as well"),
    "derived from a result": (
        "axes: {tile.count: [1]}\nderived: {tile.bus.wires: energy_j}",
        "is a result",
    ),
    "contradiction": (
        "axes: {tile.count: [1, 2, 3]}\nconstraints: [tile.count > 2, tile.count < 2]",
        "exclude each other",
    ),
    "impossible constraint": (
        "axes: {tile.count: [1, 2]}\nconstraints: [area_mm2 < 1e-9 mm2]",
        "meets 'area_mm2 < 1e-9 mm2'",
    ),
    "impossible search": (
        "axes: {tile.count: {from: 1, to: 9}}\nconstraints: [tile.count > 99]\n"
        "strategy: {kind: tpe, objectives: [energy_j], samples: 4}",
        "no point",
    ),
    "unknown objective": (
        "axes: {tile.count: [1]}\nstrategy: {kind: tpe, objectives: [energy], samples: 4}",
        "energy_j",
    ),
    "unknown strategy": ("axes: {tile.count: [1]}\nstrategy: {kind: griddy}", "grid"),
    "unknown key": ("axis: {tile.count: [1]}", "axes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sweeps_say_what_would_be_right(bench: Bench, name: str) -> None:
    text, said = BAD[name]
    with pytest.raises(InputError) as caught:
        bench.run(text)
    assert said in str(caught.value)
    assert "sweep.yaml" in str(caught.value)
    assert not bench.out.exists()


def test_a_missing_trace_is_named_with_its_line(bench: Bench) -> None:
    path = bench.file()
    path.write_text(path.read_text().replace(str(TRACE), "none.yaml"))
    with pytest.raises(InputError, match=r"sweep.yaml:4 \(traces\[0\]\): there is no file"):
        run_sweep(path, bench.out, workers=0)


def test_a_good_sweep_is_none_of_these(bench: Bench) -> None:
    state = bench.run(GRID)
    assert state.complete and state.statuses == {"ok": 6}
    assert math.isfinite(state.seconds)
