"""Loading a document: choosing the reader and merging the files it includes."""

from __future__ import annotations

import os
from pathlib import Path

from archsim.documents.files import read_text
from archsim.documents.json_reader import read_json
from archsim.documents.node import Document, Node, merge, plain
from archsim.documents.yaml_reader import read_yaml
from archsim.errors import InputError, Location

MAX_INCLUDES_DEEP = 50
"""Longest chain of files that include one another."""


def load_document(path: str | Path) -> Document:
    """Read a .yaml, .yml or .json file, with the files that its `include` key names.

    Included files are loaded first, in order, and merged under the including file: mapping
    over mapping merges, anything else replaces, and a null deletes the key.
    Raises InputError, with file and line where known, for everything that can be wrong.
    """
    path = Path(path)
    root = _Loading().load(path, (), None)
    return Document(path, plain(root), root)


class _Loading:
    """One load; each file is read once however often it is included."""

    def __init__(self) -> None:
        self._done: dict[str, Node] = {}

    def load(self, path: Path, chain: tuple[Path, ...], asked_by: Location | None) -> Node:
        real = os.path.realpath(path) if "\0" not in str(path) else str(path)
        if real in self._done:
            return self._done[real]
        names = [os.path.realpath(earlier) for earlier in chain]
        if real in names:
            cycle = [*chain[names.index(real) :], path]
            raise InputError(
                f"include cycle: {' -> '.join(map(str, cycle))}.",
                asked_by,
                "Remove one of these includes.",
            )
        if len(chain) > MAX_INCLUDES_DEEP:
            raise InputError(
                f"includes are more than {MAX_INCLUDES_DEEP} files deep.", asked_by, "Use fewer."
            )
        text = read_text(path, asked_by)
        reader = read_json if path.suffix.lower() == ".json" else read_yaml
        node = self._with_includes(reader(text, str(path)), path, (*chain, path))
        if asked_by is not None and not isinstance(node.value, dict):
            raise InputError(
                f"the included file '{path}' is not a mapping.",
                asked_by,
                "Its top level must be `key: value` lines.",
            )
        self._done[real] = node
        return node

    def _with_includes(self, node: Node, path: Path, chain: tuple[Path, ...]) -> Node:
        if not isinstance(node.value, dict) or "include" not in node.value:
            return node
        own = Node({k: v for k, v in node.value.items() if k != "include"}, node.file, node.line)
        base: Node | None = None
        for name, where in _include_names(node.value["include"]):
            included = self.load(path.parent / name, chain, where)
            base = included if base is None else merge(base, included)
        return own if base is None else merge(base, own)


def _include_names(include: Node) -> list[tuple[str, Location]]:
    names: list[tuple[str, Location]] = []
    listed = isinstance(include.value, list)
    items = include.value if isinstance(include.value, list) else [include]
    for index, item in enumerate(items):
        where = Location(item.file, item.line, f"include[{index}]" if listed else "include")
        if not isinstance(item.value, str) or not item.value:
            raise InputError(
                "'include' takes one path or a list of paths.",
                where,
                "For example `include: base.yaml`.",
            )
        names.append((item.value, where))
    return names
