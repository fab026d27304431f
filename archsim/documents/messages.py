"""What to tell the user about one pydantic error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import ErrorDetails

from archsim.documents.node import KeyPath
from archsim.documents.places import Place, Schema, Walker
from archsim.errors import nearest

_LONGEST_SHOWN = 40
_WORDS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
}
"""Faults that a user's file has most often, in words that no release of pydantic changes."""
_NO_MAPPING = ("model_type", "model_attributes_type", "dataclass_type", "dict_type")


class Message(NamedTuple):
    """One fault: the key path it is about, what is wrong, and what would be right."""

    key_path: KeyPath
    what: str
    fix: str | None


def describe(error: ErrorDetails, place: Place, walker: Walker) -> Message:
    """Word one pydantic error for a user, without pydantic's echo of the input."""
    kind = error["type"]
    path = place.key_path
    name = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden" and place.parent is not None:
        known = walker.fields(place.parent)
        return Message(path, f"'{name}' is not known here.", _choose(name, known))
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return Message(path, f"the field '{name}' is missing.", _how_to_add(name, place, walker))
    if kind == "union_tag_not_found":
        key = _discriminator(error)
        tags = ", ".join(_tags(place.schema))
        return Message(
            (*path, key),
            f"the field '{key}', which chooses the type, is missing.",
            f"Valid here: {tags}." if tags else None,
        )
    if kind == "union_tag_invalid":
        tag = str(error["ctx"]["tag"])
        fix = _choose(tag, _tags(place.schema))
        return Message((*path, _discriminator(error)), f"{_short(tag)} is not valid here.", fix)
    if kind in ("enum", "literal_error"):
        what = f"{_short(error['input']) or 'this value'} is not valid here."
        return Message(path, what, _choose(str(error["input"]), _values(place.schema)))
    if kind in _NO_MAPPING:
        keys = ", ".join(walker.fields(place.schema)) if place.schema else ""
        fix = f"Write `key: value` lines; valid keys: {keys}." if keys else None
        return Message(path, f"must be a mapping{_found(error)}.", fix)
    return Message(path, _reworded(error), None)


def _reworded(error: ErrorDetails) -> str:
    message = error["msg"]
    if error["type"] in ("value_error", "assertion_error"):
        said = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return said if said.endswith((".", "!", "?")) else f"{said}."
    own = _WORDS.get(error["type"])
    what = own.format_map(error.get("ctx", {})) if own else message.removeprefix("Input ")
    return f"{what}{_found(error)}."


def _found(error: ErrorDetails) -> str:
    shown = _short(error["input"])
    return f", found {shown}" if shown else ""


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _choose(word: str, candidates: Iterable[str]) -> str | None:
    known = list(candidates)
    if not known:
        return None
    folded = [candidate for candidate in known if candidate.lower() == word.lower()]
    return f"Did you mean '{folded[0]}'?" if folded else nearest(word, known)


def _discriminator(error: ErrorDetails) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _tags(schema: Schema | None) -> list[str]:
    choices = (schema or {}).get("choices")
    if not isinstance(choices, dict):
        return []
    return [str(getattr(tag, "value", tag)) for tag in choices]


def _values(schema: Schema | None) -> list[str]:
    members = (schema or {}).get("expected") or (schema or {}).get("members") or []
    return [str(getattr(member, "value", member)) for member in members]


def _how_to_add(name: str, place: Place, walker: Walker) -> str:
    facts = _facts(name, place, walker)
    return f"Add '{name}': {facts}." if facts else f"Add '{name}'."


def _facts(name: str, place: Place, walker: Walker) -> str:
    parent = place.parent
    model = parent.get("cls") if parent is not None else None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ""
    try:
        schema = model.model_json_schema()
    except PydanticInvalidForJsonSchema:
        return ""
    definitions = schema.get("$defs", {})
    # A model that refers to itself is only found through its definition.
    schema = _resolved(schema, definitions)
    own = schema.get("properties", {}).get(name, {})
    shape = _resolved(own, definitions)
    parts = [_type_of(shape, definitions)]
    description = own.get("description") or shape.get("description")
    if description:
        parts.append(" ".join(str(description).split("\n\n")[0].split()).rstrip("."))
    examples = own.get("examples") or shape.get("examples")
    if examples:
        parts.append(f"for example {_example(examples[0])}")
    return ", ".join(part for part in parts if part)


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found = definitions.get(reference.rsplit("/", 1)[-1], {})
    return found if isinstance(found, dict) else {}


def _type_of(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    schema = _resolved(schema, definitions)
    if "const" in schema:
        return f"the value {_example(schema['const'])}"
    if "enum" in schema:
        return f"one of {', '.join(map(_example, schema['enum']))}"
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        kinds = dict.fromkeys(_type_of(branch, definitions) for branch in branches)
        return " or ".join(kind for kind in kinds if kind)
    words = {"object": "a mapping", "array": "a list", "null": "null", "integer": "an integer"}
    kind = schema.get("type")
    if not isinstance(kind, str):
        return ""
    return words.get(kind, f"a {kind}")


def _example(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
