"""Data with marks: each value knows the file and line it was written on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from archsim.errors import InputError, Location

KeyPath: TypeAlias = tuple[str | int, ...]
Scalar: TypeAlias = str | int | float | bool | None

MOST_DIGITS = 308  # of a whole number; a real one has room for no more
WITHIN = f"Numbers have at most {MOST_DIGITS} digits before the point."
MAX_DEPTH = 100
"""Deepest nesting of lists and mappings that a document may have."""

_NEEDS_QUOTES = re.compile(r"""[\s.\[\]"']|^$""")


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where its key (or, in a list, the value itself) is written.

    line counts from 1 and is None where the format keeps no lines (JSON).
    """

    value: Scalar | dict[str, Node] | list[Node]
    file: str
    line: int | None


@dataclass(frozen=True)
class Document:
    """A file read as plain dicts, lists and scalars, with a location for every key."""

    path: Path
    data: Any
    root: Node = field(repr=False, compare=False)

    def location(self, key_path: KeyPath) -> Location:
        """Where a key stands: its file and line, or those of its nearest known ancestor.

        The key in the answer is always the one asked for, so that a message about a value
        that was left out still names it.
        """
        node = self.root
        for step in key_path:
            child = _child(node, step)
            if child is None:
                break
            node = child
        return Location(node.file, node.line, dotted(key_path) or None)


def dotted(key_path: KeyPath) -> str:
    """A key path as text, such as `layers[3].kernel`; odd keys are quoted: `a["x.y"]`."""
    text = ""
    for step in key_path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _NEEDS_QUOTES.search(step):
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
        else:
            text += f".{step}" if text else step
    return text


def _child(node: Node, step: str | int) -> Node | None:
    value = node.value
    if isinstance(value, dict):
        return value.get(step) if isinstance(step, str) else None
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return None


def plain(node: Node) -> Any:
    """The value without its marks."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def merge(base: Node | None, over: Node) -> Node:
    """`over` laid on `base`: mapping over mapping merges, anything else replaces.

    A null in a mapping of `over` deletes that key, whether or not `base` has it.
    """
    if not isinstance(over.value, dict):
        return over
    below = base.value if base is not None and isinstance(base.value, dict) else {}
    merged = dict(below)
    for key, child in over.value.items():
        if child.value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(below.get(key), child)
    return Node(merged, over.file, over.line)


def check_depth(depth: int, where: Location) -> None:
    """Raise InputError where lists and mappings are nested deeper than MAX_DEPTH."""
    if depth > MAX_DEPTH:
        # The key of so deep a place would fill the screen.
        raise InputError(
            f"lists and mappings are nested more than {MAX_DEPTH} levels deep.",
            Location(where.file, where.line),
            "Flatten the data.",
        )


def check_text(text: str, where: Location) -> None:
    """Raise InputError for half of a surrogate pair, which no output stream can print."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(
            "a string holds half of a surrogate pair.",
            where,
            "Write both halves, or the character itself.",
        )
