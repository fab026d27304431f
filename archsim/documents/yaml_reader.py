"""YAML text to marked data, with scalars by the YAML 1.2 core schema."""

from __future__ import annotations

import contextlib
import math
import re
from typing import Any

import yaml

from archsim.documents.node import (
    MOST_DIGITS,
    WITHIN,
    KeyPath,
    Node,
    Scalar,
    check_depth,
    check_text,
    dotted,
)
from archsim.errors import InputError, Location

MAX_ALIAS_EXPANSION = 1_000_000
"""Most characters that aliases may add to a document."""

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_PATTERNS = {
    "null": r"(?:~|null|Null|NULL)?\Z",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)\Z",
    "int": r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z",
    "float": (
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
    "merge": r"<<\Z",
}
_CORE = {_TAG + name: re.compile(pattern) for name, pattern in _PATTERNS.items()}

# PyYAML resolves by YAML 1.1, where `1e6` is a string and `no` is false.
_Loader: Any = type(
    "CoreSchemaLoader",
    (getattr(yaml, "CSafeLoader", yaml.SafeLoader),),
    {"yaml_implicit_resolvers": {None: list(_CORE.items())}},
)


def read_yaml(text: str, file: str) -> Node:
    """Read one YAML document.

    Raises InputError, with the line, for bad syntax, duplicate or non-string keys, unknown
    tags, numbers out of range, too deep nesting, and aliases that expand too far.
    """
    _check_characters(text, file)
    try:
        # Composing recurses in C, where a deep document would end the process.
        _check_structure(text, file)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        column = f" at column {mark.column + 1}" if mark else ""
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise InputError(
            f"not valid YAML{column}: {said}.", Location(file, line), "Correct the syntax."
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets chr() fail on an escape such as "\U00110000".
        raise InputError(f"not valid YAML: {error}.", Location(file)) from None
    if root is None or (root.tag == _TAG + "null" and root.value == ""):
        raise InputError("the file holds no data.", Location(file), "Write at least one key.")
    return _Builder(file).build(root, (), root.start_mark.line + 1)


def _check_characters(text: str, file: str) -> None:
    bad = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        raise InputError(
            f"the character U+{ord(bad.group()):04X} may not stand in YAML.",
            Location(file, line),
            "Remove it, or write it as an escape in a double-quoted string.",
        )


def _check_structure(text: str, file: str) -> None:
    """Refuse what is nested too deep, and aliases of nothing."""
    try:
        _check_events(text, file)
    except yaml.MarkedYAMLError as fault:
        # PyYAML from 6.0.4 on refuses deep nesting itself, before it yields what it has read.
        if fault.problem_mark is not None:
            with contextlib.suppress(yaml.YAMLError):
                _check_events(text[: fault.problem_mark.index], file)
        raise


def _check_events(text: str, file: str) -> None:
    depth = 0
    anchors: set[str] = set()
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise InputError(
                    f"the alias '*{event.anchor}' has no anchor before it.",
                    _place(event, file),
                    f"Write '&{event.anchor}' before the value that it repeats.",
                )
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            anchors.add(event.anchor)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            check_depth(depth, _place(event, file))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _place(event: yaml.Event, file: str) -> Location:
    return Location(file, event.start_mark.line + 1 if event.start_mark else None)


class _Builder:
    """Turns composed YAML nodes of one file into marked data."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._expanded = 0

    def build(self, node: yaml.Node, path: KeyPath, line: int) -> Node:
        if isinstance(node, yaml.ScalarNode):
            self._count(node, path, line, len(node.value))
            return Node(self._scalar(node, path), self._file, line)
        if id(node) in self._open:
            raise self._error("an alias here contains itself.", path, line, "Write it out.")
        self._count(node, path, line, 0)
        self._open.add(id(node))
        # Not len(path): merge keys nest without lengthening it.
        check_depth(len(self._open), Location(self._file, line))
        value: dict[str, Node] | list[Node]
        if isinstance(node, yaml.MappingNode):
            self._check_tag(node, "map", path)
            value = self._mapping(node, path)
        else:
            self._check_tag(node, "seq", path)
            value = [
                self.build(item, (*path, index), item.start_mark.line + 1)
                for index, item in enumerate(node.value)
            ]
        self._open.discard(id(node))
        return Node(value, self._file, line)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = "<<" if key_node.tag == _MERGE else self._key(key_node, path)
            # A quoted "<<" is an ordinary key.
            name = _MERGE if key_node.tag == _MERGE else key
            self._count(key_node, path, line, len(key))
            if name in lines:
                raise self._error(
                    f"the key '{key}' is written twice, on line {lines[name]} and line {line}.",
                    (*path, key),
                    line,
                    "Keep one of them.",
                )
            lines[name] = line
            if key_node.tag == _MERGE:
                for merged_key, child in self._merged(value_node, path, line):
                    merged.setdefault(merged_key, child)
            else:
                own[key] = self.build(value_node, (*path, key), line)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: KeyPath, line: int) -> list[tuple[str, Node]]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        pairs: list[tuple[str, Node]] = []
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise self._error(
                    "the merge key '<<' takes a mapping or a list of mappings.",
                    path,
                    line,
                    "For example `<<: *base`.",
                )
            value = self.build(source, path, line).value
            if isinstance(value, dict):
                pairs.extend(value.items())
        return pairs

    def _key(self, node: yaml.Node, path: KeyPath) -> str:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(
                "a list or mapping is used as a key.", path, line, "Keys are strings."
            )
        value = self._scalar(node, path)
        if not isinstance(value, str):
            raise self._error(
                f"the key {node.value or 'null'} is not a string.",
                path,
                line,
                f'Put it in quotes: "{node.value}".',
            )
        return value

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Scalar:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        line = node.start_mark.line + 1
        if kind in ("str", "merge"):
            check_text(text, Location(self._file, line, dotted(path) or None))
            return text
        if node.tag not in _CORE:
            self._check_tag(node, "str", path)
        if not _CORE[node.tag].match(text) and not (
            kind == "float" and _CORE[_TAG + "int"].match(text)
        ):
            raise self._error(
                f"'{text[:60]}' does not fit its tag '!!{kind}'.", path, line, "Remove the tag."
            )
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            return _integer(text) if kind == "int" else _float(text)
        except (ValueError, OverflowError):
            raise self._error(
                f"the number '{text[:20]}...' is out of range.", path, line, WITHIN
            ) from None

    def _check_tag(self, node: yaml.Node, kind: str, path: KeyPath) -> None:
        if node.tag != _TAG + kind:
            tag = node.tag.replace(_TAG, "!!")
            raise self._error(
                f"the tag '{tag}' is not known.",
                path,
                node.start_mark.line + 1,
                "Remove the tag: only plain data is read.",
            )

    def _count(self, node: yaml.Node, path: KeyPath, line: int, size: int) -> None:
        # The 2 stands for the separator that each expanded value would be written with.
        if id(node) in self._seen:
            self._expanded += size + 2
        self._seen.add(id(node))
        if self._expanded > MAX_ALIAS_EXPANSION:
            raise self._error(
                f"aliases expand to more than {MAX_ALIAS_EXPANSION} characters.",
                path,
                line,
                "Use fewer aliases of aliases.",
            )

    def _error(self, what: str, path: KeyPath, line: int, fix: str) -> InputError:
        return InputError(what, Location(self._file, line, dotted(path) or None), fix)


def _integer(text: str) -> int:
    value = int(text, 0) if text.startswith(("0x", "0o")) else int(text)
    if abs(value) >= 10**MOST_DIGITS:
        raise OverflowError(text)
    return value


def _float(text: str) -> float:
    lowered = text.lower()
    if lowered.endswith((".inf", ".nan")):
        return float(lowered.replace(".", ""))
    value = float(text)
    if math.isinf(value):
        raise OverflowError(text)
    return value
