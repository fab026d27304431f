"""From the `loc` of a pydantic error to a key path and the part of the model at that place.

pydantic puts discriminator tags and union branch names into `loc`; the keys of the file do
not have them, so the model's core schema is walked along with `loc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from archsim.documents.node import KeyPath

Schema: TypeAlias = Mapping[str, Any]
Loc: TypeAlias = tuple[str | int, ...]

_INNER = {
    "default": "schema",
    "nullable": "schema",
    "function-before": "schema",
    "function-after": "schema",
    "function-wrap": "schema",
    "json-or-python": "python_schema",
    "lax-or-strict": "lax_schema",
}
_SEQUENCES = ("list", "set", "frozenset", "generator")
_KEY_MARK = "[key]"


@dataclass(frozen=True)
class Place:
    """Where an error stands.

    schema: the model's part there, None for a key that the model does not have.
    parent: the model's part around it, None at the root.
    unions: lengths of the key paths at which a union without discriminator was entered.
    """

    key_path: KeyPath
    schema: Schema | None
    parent: Schema | None
    unions: tuple[int, ...]


class Walker:
    """Follows error locations through one model's core schema."""

    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._definitions: dict[str, Schema] = {}

    def place(self, loc: Loc, data: Any) -> Place:
        """The place of an error in `data`; where the model is no guide, the data is."""
        start = Place((), self._root, None, ())
        return self._walk(start, loc, data) or _by_data(loc, data)

    def unwrap(self, schema: Schema) -> Schema:
        """The schema that decides about keys and values, without the wrappers around it."""
        while True:
            kind = schema["type"]
            if kind == "definitions":
                for definition in schema["definitions"]:
                    self._definitions[definition["ref"]] = definition
                schema = schema["schema"]
            elif kind == "definition-ref":
                schema = self._definitions[schema["schema_ref"]]
            elif kind == "chain":
                schema = schema["steps"][0]
            elif kind == "model" and schema.get("root_model"):
                schema = schema["schema"]
            elif kind in _INNER:
                schema = schema[_INNER[kind]]
            else:
                return schema

    def fields(self, schema: Schema) -> dict[str, tuple[str, Schema]]:
        """The fields of a model, dataclass or typed dict: key in the file to name and schema."""
        schema = self.unwrap(schema)
        if schema["type"] in ("model", "dataclass"):
            schema = self.unwrap(schema["schema"])
        fields = schema.get("fields")
        if isinstance(fields, Mapping):
            named = dict(fields)
        elif isinstance(fields, list):
            named = {field["name"]: field for field in fields}
        else:
            return {}
        result: dict[str, tuple[str, Schema]] = {}
        for name, field in named.items():
            alias = field.get("validation_alias")
            result[alias if isinstance(alias, str) else name] = (name, field["schema"])
        return result

    def _extra(self, schema: Schema) -> Schema | None:
        """What a model allows under keys that are not its fields, None if it allows none."""
        schema = self.unwrap(schema)
        if schema["type"] == "model":
            schema = self.unwrap(schema["schema"])
        extra: Schema | None = schema.get("extras_schema")
        return extra

    def _walk(self, at: Place, loc: Loc, data: Any) -> Place | None:
        if at.schema is None:
            return at if not loc else None
        schema = self.unwrap(at.schema)
        at = Place(at.key_path, schema, at.parent, at.unions)
        if not loc:
            return at
        kind, head, rest = schema["type"], loc[0], loc[1:]
        if kind == "tagged-union":
            for tag, choice in schema["choices"].items():
                if str(head) in (str(tag), str(getattr(tag, "value", tag))):
                    return self._walk(Place(at.key_path, choice, at.parent, at.unions), rest, data)
            return None
        if kind == "union":
            return self._branch(at, schema, str(head), rest, data)
        step, child = self._child(schema, head, data)
        if child is None and (rest or step is None):
            return None
        if kind == "dict" and rest[:1] == (_KEY_MARK,):
            child, rest = schema.get("keys_schema", {"type": "any"}), rest[1:]
        assert step is not None
        below = Place((*at.key_path, step), child, schema, at.unions)
        return self._walk(below, rest, _step(data, step))

    def _child(
        self, schema: Schema, head: str | int, data: Any
    ) -> tuple[str | int | None, Schema | None]:
        kind = schema["type"]
        anything: Schema = {"type": "any"}
        if kind in _SEQUENCES and isinstance(head, int):
            return head, schema.get("items_schema", anything)
        if kind == "tuple" and isinstance(head, int):
            items = schema["items_schema"]
            return head, items[min(head, len(items) - 1)] if items else anything
        if kind == "dict":
            return str(head), schema.get("values_schema", anything)
        fields = self.fields(schema)
        if not fields and kind not in ("model", "dataclass", "typed-dict"):
            return None, None
        name, child = fields.get(str(head), (None, self._extra(schema)))
        if name is not None and isinstance(data, dict) and str(head) not in data and name in data:
            return name, child
        return str(head), child

    def _branch(self, at: Place, schema: Schema, label: str, rest: Loc, data: Any) -> Place | None:
        unions = (*at.unions, len(at.key_path))
        choices: list[tuple[bool, Schema]] = []
        for entry in schema["choices"]:
            choice, given = entry if isinstance(entry, tuple) else (entry, None)
            inner = self.unwrap(choice)
            own = getattr(inner.get("cls"), "__name__", inner["type"])
            choices.append((label not in (given, own), choice))
        for _, choice in sorted(choices, key=lambda pair: pair[0]):
            found = self._walk(Place(at.key_path, choice, at.parent, unions), rest, data)
            if found is not None:
                return found
        return None


def _step(data: Any, step: str | int) -> Any:
    try:
        return data[step]
    except (KeyError, IndexError, TypeError):
        return None


def _by_data(loc: Loc, data: Any) -> Place:
    path: list[str | int] = []
    for step in loc:
        known = isinstance(data, dict) and step in data
        if known or (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            path.append(step)
            data = data[step]
    return Place(tuple(path), None, None, ())
