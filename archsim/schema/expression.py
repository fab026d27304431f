"""Arithmetic over the values of a point: `2 mW * 2 ** (tile.pe.adc.resolution - 8)`.

Python's parser reads an expression and a whitelist of its syntax tree is evaluated here; nothing
is ever passed to `eval`. A library of safe evaluation would neither know dotted paths and units nor
name the values that an expression reads before it is evaluated.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from archsim.errors import nearest
from archsim.schema.units import parse

BASE_UNITS = (
    "Hz", "s", "W", "J", "J/b", "mm2", "m", "V", "A", "S", "ohm", "b", "b/s", "Sa/s", "op", "op/s",
    "J/op",
)  # fmt: skip
"""Units that values are read in: SI, bits, samples and operations; areas in mm2."""

MAX_LENGTH = 500
MOST_BITS = 1100
"""Of a whole number in between: a little more than a real number reaches."""
Value = int | float | bool | str | Sequence[int]
Lookup = Callable[[str], Any]

_QUANTITY = re.compile(r"(?<![\w.])([0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?)\s+([A-Za-z][A-Za-z0-9/]*)")
_KEYWORDS = {"if", "else", "and", "or", "not", "in", "is"}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min, "max": max, "abs": abs, "round": round, "ceil": math.ceil, "floor": math.floor,
    "sqrt": math.sqrt, "log2": math.log2, "log10": math.log10, "exp": math.exp, "int": int,
}  # fmt: skip
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


class ExpressionError(ValueError):
    """An expression that cannot be read or has no value; says which part and why."""


@dataclass(frozen=True)
class Expression:
    """An expression and the dotted names that it reads (without a leading `chip.`)."""

    text: str
    names: frozenset[str]
    tree: ast.expr = field(repr=False, compare=False)

    def value(self, lookup: Lookup) -> Any:
        """Its value, where `lookup(name)` gives that of a name; ExpressionError if it has none."""
        try:
            found = _evaluate(self.tree, lookup)
        except ExpressionError as fault:
            raise ExpressionError(f"'{self.text}': {fault}") from None
        except (ArithmeticError, TypeError, ValueError, IndexError, RecursionError) as fault:
            raise ExpressionError(f"'{self.text}' has no value: {fault}") from None
        if isinstance(found, float) and not math.isfinite(found):
            raise ExpressionError(f"'{self.text}' is not a finite number")
        return found


def parse_expression(text: str | int | float) -> Expression:
    """Read an expression; ExpressionError for anything but arithmetic, comparisons and names.

    A number with a unit (`100 mm2`, `1.2 GHz`) stands for its value in the base unit of its
    dimension (BASE_UNITS).
    """
    text = str(text)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"'{text[:40]}...' is longer than {MAX_LENGTH} characters")
    try:
        tree = ast.parse(_QUANTITY.sub(_in_base_unit, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        if isinstance(fault, ExpressionError):
            raise
        raise ExpressionError(f"'{text}' is not an expression") from None
    names: set[str] = set()
    _check(tree, text, names)
    return Expression(text, frozenset(names), tree)


def _in_base_unit(match: re.Match[str]) -> str:
    digits, unit = match.groups()
    if unit in _KEYWORDS:
        return match.group()
    for base in BASE_UNITS:
        try:
            return f"({parse(f'{digits} {unit}', base)!r})"
        except ValueError:
            continue
    raise ExpressionError(f"'{unit}' in '{match.group()}' is not a known unit")


def dotted_name(node: ast.expr) -> str | None:
    """`a.b.c` as text, without a leading `chip.`; None if the node is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted_name(node.value)
        return None if before is None else f"{before}.{node.attr}".removeprefix("chip.")
    return None


def _check(node: ast.expr, text: str, names: set[str]) -> None:
    """ExpressionError for syntax outside the whitelist; collects the names."""
    inner: list[ast.expr] = []
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            pass
        case ast.Name() | ast.Attribute():
            name = dotted_name(node)
            if name is None:
                raise ExpressionError(f"'{text}' is not arithmetic over values of the sweep")
            names.add(name)
        case ast.BinOp() if type(node.op) in _BINARY or isinstance(node.op, ast.Pow):
            inner = [node.left, node.right]
        case ast.UnaryOp():
            inner = [node.operand]
        case ast.BoolOp():
            inner = node.values
        case ast.Compare() if all(type(op) in _COMPARE for op in node.ops):
            inner = [node.left, *node.comparators]
        case ast.IfExp():
            inner = [node.test, node.body, node.orelse]
        case ast.Subscript(slice=ast.Constant(value=int())):
            inner = [node.value]
        case ast.Call(func=ast.Name(id=function), keywords=[]):
            if function not in _FUNCTIONS:
                raise ExpressionError(
                    f"'{function}' in '{text}' is not a known function. "
                    f"{nearest(function, _FUNCTIONS)}"
                )
            inner = node.args
        case _:
            raise ExpressionError(f"'{ast.unparse(node)[:60]}' in '{text}' is not arithmetic")
    for child in inner:
        _check(child, text, names)


def _evaluate(node: ast.expr, lookup: Lookup) -> Any:
    def of(child: ast.expr) -> Any:
        return _evaluate(child, lookup)

    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute():
            return _small(lookup(dotted_name(node) or ""))
        case ast.BinOp(op=ast.Pow()):
            return _power(of(node.left), of(node.right))
        case ast.BinOp():
            left, right = of(node.left), of(node.right)
            if not (isinstance(left, int | float) and isinstance(right, int | float)):
                raise ExpressionError(f"'{ast.unparse(node)}' is not about two numbers")
            return _small(_BINARY[type(node.op)](left, right))
        case ast.UnaryOp(op=ast.Not()):
            return not of(node.operand)
        case ast.UnaryOp():
            return -of(node.operand) if isinstance(node.op, ast.USub) else +of(node.operand)
        case ast.BoolOp():
            wanted = isinstance(node.op, ast.Or)
            return wanted if any(bool(of(v)) is wanted for v in node.values) else not wanted
        case ast.Compare():
            sides = [of(node.left), *map(of, node.comparators)]
            pairs = zip(node.ops, sides[:-1], sides[1:], strict=True)
            return all(_COMPARE[type(op)](left, right) for op, left, right in pairs)
        case ast.IfExp():
            return of(node.body) if of(node.test) else of(node.orelse)
        case ast.Subscript(slice=ast.Constant(value=index)):
            return of(node.value)[index]
        case ast.Call(func=ast.Name(id=function)):
            return _small(_call(function, [of(child) for child in node.args]))
    raise ExpressionError(f"'{ast.unparse(node)}' is not arithmetic")


def _small(value: Any) -> Any:
    """A value as it is; ExpressionError for a whole number that would make the next step slow."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ExpressionError(f"a value in between has more than {MOST_BITS} bits")
    return value


def _call(function: str, arguments: list[Any]) -> Any:
    for value in arguments:
        of_numbers = isinstance(value, list | tuple) and function in ("min", "max")
        for one in value if of_numbers else [value]:
            if not isinstance(one, int | float):
                raise ExpressionError(f"{function} is not about numbers")
    if function == "round" and len(arguments) == 2 and abs(arguments[1]) > MOST_BITS:
        raise ExpressionError(f"round takes at most {MOST_BITS} places")
    return _FUNCTIONS[function](*arguments)


def _power(base: Any, exponent: Any) -> Any:
    """A power, whose size is judged before it is worked out."""
    if not (isinstance(base, int | float) and isinstance(exponent, int | float)):
        raise ExpressionError("a power is not about two numbers")
    bits = base.bit_length() if isinstance(base, int) and isinstance(exponent, int) else 0
    if bits > 1 and exponent * bits > 2 * MOST_BITS:
        raise ExpressionError(f"{_short(base)} to the power of {_short(exponent)} is too large")
    found = base**exponent
    if isinstance(found, complex):
        raise ExpressionError(f"{_short(base)} to the power of {_short(exponent)} is not real")
    return _small(found)


def _short(value: float) -> str:
    return f"{value:.6g}"
