"""Quantities with units, checked by dimension, as text and as pydantic field types."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from fractions import Fraction
from typing import Annotated, Any, NamedTuple, TypeGuard

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from archsim.errors import nearest

_PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
_BINARY = ("", "K", "M", "G", "T")
_UNITS = (
    "second = [time] = s",
    "meter = [length] = m",
    "joule = [energy] = J",
    "volt = [voltage] = V",
    "bit = [information] = b",
    "operation = [operation] = op",
    "sample = [sample] = Sa",
    "hertz = 1 / second = Hz",
    "watt = joule / second = W",
    "ampere = watt / volt = A",
    "siemens = ampere / volt = S",
    "ohm = volt / ampere = ohm",
    "byte = 8 * bit = B",
)
_SYMBOLS = ("s", "m", "J", "V", "b", "bit", "op", "Sa", "Hz", "W", "A", "S", "ohm", "B", "byte")
_FACTOR = re.compile(r"([A-Za-z]+)(?:(?:\^|\*\*)?([1-9]))?\Z")
_NUMBER = re.compile(
    r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:inf|nan)(?![a-z]))\s*(.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
_STORED = re.compile(r"\b([kKMGT])(?=(?:b|B|bit|byte)\b)")
_SHAPE = re.compile(r"\s*([0-9]{1,9})\s*[xX\u00d7]\s*([0-9]{1,9})\s*\Z")
_LONGEST = 100
WIDEST = 32
"""Most bits of one number: a weight, an input, a cell, a conversion."""
MOST = 10**9
"""The largest count and side of a shape: with it, a product of two stays far from 2 to the 63rd."""


class _Kind(NamedTuple):
    """A dimension; `least` and `most` of a field, in `unit`, beside 0."""

    name: str
    unit: str
    example: str
    least: float
    most: float


_KINDS = (
    _Kind("frequency", "Hz", "1.2 GHz", 1e-3, 1e15),
    _Kind("duration", "s", "10 ns", 1e-18, 1e9),
    _Kind("power", "W", "3.5 mW", 1e-24, 1e9),
    _Kind("energy", "J", "2 pJ", 1e-30, 1e9),
    _Kind("energy per bit", "J/b", "1.5 pJ/b", 1e-30, 1e3),
    _Kind("area", "mm2", "0.05 mm2", 1e-18, 1e9),
    _Kind("length", "m", "45 nm", 1e-12, 1e3),
    _Kind("voltage", "V", "900 mV", 1e-9, 1e6),
    _Kind("current", "A", "20 uA", 1e-18, 1e6),
    _Kind("conductance", "S", "50 uS", 1e-18, 1e6),
    _Kind("resistance", "ohm", "20 kohm", 1e-6, 1e18),
    _Kind("capacity", "b", "64 KB", 1, 1e18),
    _Kind("data rate", "b/s", "6.4 GB/s", 1, 1e21),
    _Kind("sample rate", "Sa/s", "1.28 GS/s", 1e-3, 1e15),
    _Kind("operation count", "op", "2 Gop", 1, 1e30),
    _Kind("operation rate", "op/s", "4 Top/s", 1, 1e24),
    _Kind("energy per operation", "J/op", "0.5 pJ/op", 1e-30, 1e3),
)


@functools.cache
def _registry() -> Any:
    # pint takes 0.2 s to import, which a command that reads no quantity need not wait for.
    import pint

    registry: Any = pint.UnitRegistry(None, non_int_type=Fraction)
    for prefix, power in _PREFIXES.items():
        if prefix:
            registry.define(f"{prefix}- = 1e{power}")
    for power, prefix in enumerate(_BINARY[1:], start=1):
        registry.define(f"{prefix}i- = {1024**power}")
    for unit in _UNITS:
        registry.define(unit)
    return registry


@functools.cache
def _known_factors() -> frozenset[str]:
    binary = {f"{p}i{s}" for p in _BINARY[1:] for s in ("b", "B", "bit", "byte")}
    return frozenset({prefix + symbol for prefix in _PREFIXES for symbol in _SYMBOLS} | binary)


@functools.lru_cache(maxsize=1024)
def _pint_unit(text: str) -> Any:
    """The pint unit of an expression such as `pJ/b` or `mm2`; ValueError if it is not one."""
    expression = ""
    for part in re.split(r"([*/])", text):
        part = part.strip()
        factor = _FACTOR.match(part)
        if part in ("*", "/"):
            expression += part
        elif factor is None or factor.group(1) not in _known_factors():
            raise ValueError(factor.group(1) if factor else part)
        else:
            expression += factor.group(1) + (f"**{factor.group(2)}" if factor.group(2) else "")
    return _registry().parse_units(expression)


def _normalised(unit: str, target: str) -> str:
    """A unit as our definitions spell it, given the unit that it is wanted in."""
    unit = unicodedata.normalize("NFKC", unit).strip()
    unit = unit.replace("\u03bc", "u").replace("\u03a9", "ohm").replace("\u00b7", "*")
    if "Sa" in target:
        unit = re.sub(r"\b([fpnumkMGT]?)S\b", r"\1Sa", unit)
    if target in ("b", "B", "bit", "byte"):
        return _STORED.sub(lambda prefix: prefix.group(1).upper() + "i", unit)
    return re.sub(r"\bK(?=(?:b|B|bit|byte)\b)", "k", unit)


def _target(unit: str) -> str:
    return "Sa/s" if unit == "S/s" else unit


@functools.lru_cache(maxsize=1024)
def _kind(unit: Any) -> _Kind | None:
    for kind in _KINDS:
        if _pint_unit(kind.unit).dimensionality == unit.dimensionality:
            return kind
    return None


def parse(text: str, dimension_unit: str) -> float:
    """The value of a quantity such as "1.2 GHz", in `dimension_unit`.

    In a size (dimension_unit b or B) K, M, G and T before B or b are powers of 1024; in
    anything else, such as GB/s, they are powers of 1000. Ki, Mi, Gi, Ti are always 1024.
    For dimension_unit S/s (or Sa/s) an S in the text is a sample, elsewhere it is a siemens.
    Raises ValueError for a missing or unknown unit, a wrong dimension, or a number that is
    not finite.
    """
    target = _target(dimension_unit)
    wanted = _pint_unit(target)
    kind = _kind(wanted)
    name = _article(kind) if kind else f"a quantity in {dimension_unit}"
    like = f"write {name} like '{kind.example if kind else f'1 {dimension_unit}'}'"
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    match = _NUMBER.match(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"'{shown}' is not a number with a unit; {like}.")
    digits, unit = match.groups()
    if not math.isfinite(float(digits)):
        raise ValueError(f"'{shown}' is not a finite number; {like}.")
    if not unit.strip():
        raise ValueError(f"'{shown}' has no unit; {like}.")
    try:
        given = _pint_unit(_normalised(unit, target))
    except ValueError as unknown:
        word = str(unknown) or unit.strip()
        hint = _hint(word, dimension_unit)
        raise ValueError(f"'{word}' is not a known unit{hint}; {like}.") from None
    if given.dimensionality != wanted.dimensionality:
        other = _kind(given)
        fault = f"is {_article(other)}, not {name}" if other else f"is not {name}"
        raise ValueError(f"'{shown}' {fault}; {like}.")
    # An exact number times an exact factor rounds once, so "1.2 GHz" is 1.2e9 and not near it.
    # Zero is apart because an exponent such as 1e-999999999 has no workable fraction.
    number = Fraction(digits) if float(digits) else Fraction(0)
    try:
        return float(_registry().Quantity(number, given).to(wanted).magnitude)
    except OverflowError:
        raise ValueError(f"'{shown}' is too large; {like}.") from None


def _hint(word: str, dimension_unit: str) -> str:
    symbols = [re.sub(r"[0-9]", "", part) for part in dimension_unit.split("/")]
    if word.endswith("ps") and word[:-2] in _known_factors():
        return f" (did you mean '{word[:-2]}/s'?)"
    bases = {symbol for symbol in _SYMBOLS for part in symbols if part.endswith(symbol)}
    likely = {prefix + base for prefix in _PREFIXES for base in bases}
    for candidates in (likely, _known_factors()):
        hint = nearest(word, candidates)
        folded = [unit for unit in candidates if unit.lower() == word.lower()]
        if folded:
            best = max(folded, key=lambda unit: sum(map(str.__eq__, unit, word)))
            hint = f"Did you mean '{best}'?"
        if hint.startswith("Did you mean"):
            return f" ({hint[0].lower()}{hint[1:]})"
    return ""


def format_quantity(value: float, unit: str) -> str:
    """A value in `unit` as text with an engineering prefix and 4 significant digits.

    Sizes (b or B) get prefixes of 1024, as `parse` reads them. A unit that has a prefix or
    a power of its own, such as mm2, gets none.
    """
    if value == 0 or not math.isfinite(value) or unit.split("/")[0] not in _SYMBOLS:
        return f"{value + 0.0:.4g} {unit}"
    if unit in ("b", "B"):
        steps = [(1024**power, prefix) for power, prefix in enumerate(_BINARY)]
    else:
        steps = [(Fraction(10) ** power, prefix) for prefix, power in _PREFIXES.items()]
    text = ""
    for scale, prefix in steps:
        number = f"{value / float(scale):.4g}"
        # Judged after rounding, so that 999.96 Hz becomes 1 kHz and not 1000 Hz.
        if text and abs(float(number)) < 1:
            break
        text = f"{number} {prefix}{unit}"
    return text


def _article(kind: _Kind) -> str:
    return f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name}"


def _is_int(value: object) -> TypeGuard[int]:
    # A bool is an int to Python but never to whoever wrote `true` in a file.
    return isinstance(value, int) and not isinstance(value, bool)


def _read(value: object, unit: str) -> float:
    if not (_is_int(value) or isinstance(value, (str, float))):
        raise ValueError(f"must be text with a unit, such as '{_of(unit).example}'.")
    number = parse(str(value), unit)
    if number < 0:
        raise ValueError(f"'{value}' must not be less than 0.")
    kind = _of(unit)
    if number and not kind.least <= number <= kind.most:
        raise ValueError(f"'{value}' is out of range; {_allowed(kind)}.")
    return number


def _allowed(kind: _Kind) -> str:
    """What a field of a dimension takes, in words."""
    ends = (f"{end:.4g} {kind.unit}" for end in (kind.least, kind.most))
    return f"{_article(kind)} is 0 or from {' to '.join(ends)}"


def _reader(unit: str) -> BeforeValidator:
    def read(value: object) -> float:
        return _read(value, unit)

    return BeforeValidator(read)


def _of(unit: str) -> _Kind:
    return next(kind for kind in _KINDS if kind.unit == unit)


def _schema(unit: str) -> WithJsonSchema:
    kind = _of(unit)
    return WithJsonSchema(
        {
            "type": "string",
            "description": f"{_article(kind)} with its unit, read in {unit}",
            "examples": [kind.example],
        }
    )


def _more_than_zero(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0.")
    return value


def _whole(value: float) -> float:
    if not value.is_integer():
        raise ValueError(f"{value:g} b is not a whole number of bits.")
    return value


def _bits_reader(most: int) -> BeforeValidator:
    def read(value: object) -> int:
        if isinstance(value, str):
            value = int(_whole(_read(value, "b")))
        if not _is_int(value):
            raise ValueError("must be a whole number of bits, such as 8 or '8 b'.")
        if not 1 <= value <= most:
            raise ValueError(f"{_shown(value)} b is out of range; use 1 to {most} b.")
        return value

    return BeforeValidator(read)


def _bits_schema(most: int, what: str) -> WithJsonSchema:
    integer = {"type": "integer", "minimum": 1, "maximum": most}
    return WithJsonSchema(
        {
            "anyOf": [integer, {"type": "string"}],
            "description": f"{what} in bits (b), with or without the unit",
            "examples": [8, "8 b"],
        }
    )


def _read_count(value: object) -> int:
    if not _is_int(value):
        raise ValueError("must be a whole number, such as 4.")
    if value < 1:
        raise ValueError(f"{_shown(value)} must be 1 or more.")
    if value > MOST:
        raise ValueError(f"{_shown(value)} must be {MOST} or less.")
    return value


def _shown(value: int) -> str:
    """A whole number as text, shortened: Python refuses to print thousands of digits."""
    return str(value) if abs(value) < 10**20 else f"{'-' if value < 0 else ''}1e20 or more"


def _read_shape(value: object) -> tuple[int, int]:
    if isinstance(value, str):
        match = _SHAPE.match(value)
        sides: list[object] = [int(side) for side in match.groups()] if match else []
    else:
        sides = list(value) if isinstance(value, (list, tuple)) else []
    if len(sides) != 2:
        raise ValueError("must be two sides, rows then columns, such as '128 x 128'.")
    return _read_count(sides[0]), _read_count(sides[1])


POSITIVE = AfterValidator(_more_than_zero)
"""Makes any type below refuse 0: `clock: Annotated[Frequency, POSITIVE]`."""

Frequency = Annotated[float, _reader("Hz"), _schema("Hz")]
"""Hz, 0 or more."""
Duration = Annotated[float, _reader("s"), _schema("s")]
"""Seconds, 0 or more."""
Power = Annotated[float, _reader("W"), _schema("W")]
"""W, 0 or more."""
Energy = Annotated[float, _reader("J"), _schema("J")]
"""J, 0 or more."""
EnergyPerBit = Annotated[float, _reader("J/b"), _schema("J/b")]
"""J/b, 0 or more."""
Area = Annotated[float, _reader("mm2"), _schema("mm2")]
"""mm2, 0 or more."""
Length = Annotated[float, _reader("m"), _schema("m")]
"""m, 0 or more."""
Voltage = Annotated[float, _reader("V"), _schema("V")]
"""V, 0 or more."""
Conductance = Annotated[float, _reader("S"), _schema("S")]
"""S, 0 or more."""
Capacity = Annotated[float, _reader("b"), AfterValidator(_whole), _schema("b")]
"""Bits, 0 or more and whole; 1 KB is 1024 B."""
DataRate = Annotated[float, _reader("b/s"), _schema("b/s")]
"""Bits a second, 0 or more; 1 GB/s is 1e9 B/s."""
SampleRate = Annotated[float, _reader("Sa/s"), _schema("Sa/s")]
"""Samples a second, 0 or more."""
OperationRate = Annotated[float, _reader("op/s"), _schema("op/s")]
"""Operations a second, 0 or more; a multiply-accumulate is two."""
Bits = Annotated[int, _bits_reader(WIDEST), _bits_schema(WIDEST, "the width of a number")]
"""Bits of a number, 1 to 32."""
Width = Annotated[int, _bits_reader(MOST), _bits_schema(MOST, "a width")]
"""Bits moved or kept at once, 1 or more."""
Count = Annotated[
    int,
    BeforeValidator(_read_count),
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST,
            "description": "a count",
            "examples": [4],
        },
    ),
]
"""A whole number, 1 to 10^9."""
Shape2D = Annotated[
    tuple[int, int],
    BeforeValidator(_read_shape),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1, "maximum": MOST},
                    "minItems": 2,
                    "maxItems": 2,
                },
            ],
            "description": "rows and columns",
            "examples": ["128 x 128", [128, 128]],
        }
    ),
]
"""Rows and columns, each 1 to 10^9."""
