"""Expressions end soon, with a real number or with a message that names the part."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.schema.expression import ExpressionError, parse_expression


def value(text: str, n: Any = 8) -> Any:
    return parse_expression(text).value(lambda name: n)


@pytest.mark.parametrize(
    "text",
    [
        "round(n, -10**9)",
        "round(1.5, 10**9)",
        "9**9**9",
        "((((n**100)**100)**100)**100)",
        "(2**1000) * (2**1000)",
        "-(2**1000) ** 3",
        "int(1e308) * int(1e308)",
        "abs(-(2**700)) ** 2",
        "(-8) ** 0.5",
        "(-8.0) ** (1 / 3)",
        "'a' ** 2",
        "max('a', 'b')",
        "int('9' )",
        "0 ** -1",
        "10.0 ** 400",
    ],
)
def test_what_would_take_long_or_is_no_real_number_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="'"):
        value(text)


def test_a_value_from_outside_is_judged_too() -> None:
    with pytest.raises(ExpressionError, match="more than"):
        value("n + 1", 1 << 5000)


def test_ordinary_arithmetic_stays() -> None:
    assert value("round(n / 3, 2)") == 2.67
    assert value("2 ** (n - 4) + max(n, 3)") == 24
    assert value("1 ** 10000 + (-1) ** 3") == 0
    assert value("2 ** -2") == 0.25
    assert value("min(n)", [3, 2]) == 2
    assert value("ceil(log2(n * 1.1))") == 4
