"""JSON text to marked data."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from archsim.documents.node import (
    MOST_DIGITS,
    WITHIN,
    KeyPath,
    Node,
    check_depth,
    check_text,
    dotted,
)
from archsim.errors import InputError, Location


def read_json(text: str, file: str) -> Node:
    """Read one JSON document; its marks hold the file but no lines.

    Raises InputError for bad syntax (with line and column), duplicate keys, NaN, Infinity,
    numbers out of range and too deep nesting.
    """
    if not text.strip():
        raise InputError("the file holds no data.", Location(file), "Write at least one key.")

    def refuse(name: str) -> NoReturn:
        raise InputError(
            f"{name} is not a JSON number.", Location(file), "Write a finite number or a string."
        )

    def out_of_range(digits: str) -> NoReturn:
        raise InputError(
            f"the number '{digits[:20]}...' is out of range.",
            Location(file),
            WITHIN,
        )

    def real(digits: str) -> float:
        value = float(digits)
        return value if math.isfinite(value) else out_of_range(digits)

    def integer(digits: str) -> int:
        # Python refuses to convert thousands of digits; a real number takes 308.
        return int(digits) if len(digits) <= MOST_DIGITS else out_of_range(digits)

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise InputError(
                    f"the key '{key}' is written twice in one object.",
                    Location(file, key=dotted((key,))),
                    "Keep one of them.",
                )
            result[key] = value
        return result

    try:
        data = json.loads(
            text,
            object_pairs_hook=mapping,
            parse_constant=refuse,
            parse_float=real,
            parse_int=integer,
        )
    except json.JSONDecodeError as error:
        raise InputError(
            f"not valid JSON at column {error.colno}: {error.msg}.",
            Location(file, error.lineno),
            "The file may be cut short."
            if error.pos >= len(text.rstrip())
            else "Correct the syntax.",
        ) from None
    except RecursionError:
        check_depth(len(text), Location(file))
        raise
    return _marked(data, file, ())


def _marked(data: Any, file: str, path: KeyPath) -> Node:
    if isinstance(data, dict):
        check_depth(len(path) + 1, Location(file))
        where = Location(file, key=dotted(path) or None)
        for key in data:
            check_text(key, where)
        return Node({k: _marked(v, file, (*path, k)) for k, v in data.items()}, file, None)
    if isinstance(data, list):
        check_depth(len(path) + 1, Location(file))
        return Node([_marked(v, file, (*path, i)) for i, v in enumerate(data)], file, None)
    if isinstance(data, str):
        check_text(data, Location(file, key=dotted(path) or None))
    return Node(data, file, None)
