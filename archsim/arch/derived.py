"""Formulas of an architecture's file: values under `derived:` worked out from other values."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from archsim.documents import Document
from archsim.errors import InputError, nearest
from archsim.schema.declared_units import unit_of
from archsim.schema.expression import Expression, ExpressionError, parse_expression


def with_derived(document: Document) -> Document:
    """The document with every value of `derived` at its path, and `derived` taken out.

    A name with a dot, or of a value at the top of the file, is set there; any other is a helper for
    other formulas. Entries are an expression, or `value` and `source`. InputError for a formula
    that cannot be read, that names what there is not, or that leads back to itself.
    """
    if not isinstance(document.data, dict) or "derived" not in document.data:
        return document
    data = copy.deepcopy(document.data)
    given = data.pop("derived")
    if not isinstance(given, dict):
        raise InputError(
            "'derived' takes formulas by name.", document.location(("derived",)), "For example "
            "`tile.pe.dac.count: tile.pe.array.count * 128`.",
        )  # fmt: skip
    _Formulas(document, data, given).place()
    return replace(document, data=data)


class _Formulas:
    """The formulas of one file, and the values that they have so far."""

    def __init__(self, document: Document, data: dict[str, Any], given: dict[str, Any]) -> None:
        self._document, self._data = document, data
        self._keys = {name.removeprefix("chip."): name for name in given}
        self._sources = {
            name: entry.get("source") for name, entry in given.items() if isinstance(entry, dict)
        }
        self._parsed = {name: self._parse(key, given[key]) for name, key in self._keys.items()}
        self._known: dict[str, Any] = {}
        self._open: list[str] = []

    def place(self) -> None:
        """Work all of them out and set those that have a place."""
        for name, expression in self._parsed.items():
            value = self._value(name)
            if "." not in name and name not in self._data:
                continue
            owner, key, field = self._field(name, self._keys[name])
            owner[key] = _spelled(value, field)
            source = self._sources.get(self._keys[name]) or f"derived: {expression.text}"
            if "kind" in owner:
                owner["sources"] = {**owner.get("sources", {}), key: source}

    def _parse(self, key: str, entry: Any) -> Expression:
        text = entry.get("value") if isinstance(entry, dict) else entry
        if not isinstance(text, str | int | float) or isinstance(text, bool):
            raise self._error("a formula is an expression, or `value:` and `source:`", key)
        try:
            return parse_expression(text)
        except ExpressionError as fault:
            raise self._error(str(fault), key) from None

    def _error(self, what: str, key: str, fix: str | None = None) -> InputError:
        return InputError(f"{what}.", self._document.location(("derived", key)), fix)

    def _value(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        key = self._keys[name]
        if name in self._open:
            way = " -> ".join([*self._open[self._open.index(name) :], name])
            raise self._error(f"the formula leads back to itself: {way}", key)
        self._open.append(name)
        try:
            self._known[name] = self._parsed[name].value(lambda other: self._look_up(other, key))
        except ExpressionError as fault:
            raise self._error(str(fault), key) from None
        self._open.pop()
        return self._known[name]

    def _look_up(self, name: str, asked: str) -> Any:
        if name in self._parsed:
            return self._value(name)
        owner, key, field = self._field(name, asked)
        if key not in owner:
            return field.get_default(call_default_factory=True)
        kind: Any = field.annotation
        try:
            return TypeAdapter(Annotated[kind, *field.metadata]).validate_python(owner[key])
        except ValidationError:
            where = self._document.location(_path(name))
            raise InputError(f"'{name}' has no value that a formula can use.", where) from None

    def _field(self, name: str, asked: str) -> tuple[dict[str, Any], str, FieldInfo]:
        """The mapping that holds a value, its key there, and the field that it is."""
        from archsim.arch.model import Architecture, Level
        from archsim.components.registry import kinds

        *way, key = _path(name)
        owner: Any = self._data
        for step in way:
            owner = owner.get(step) if isinstance(owner, dict) else None
        if not isinstance(owner, dict):
            raise self._error(f"there is no '{name}'", asked)
        kind = kinds().get(str(owner.get("kind")))
        fields = (kind or (Level if way else Architecture)).model_fields
        if key not in fields:
            raise self._error(f"there is no '{name}'", asked, nearest(key, fields))
        return owner, key, fields[key]


def _path(name: str) -> tuple[str, ...]:
    from archsim.arch.model import Architecture

    keys = tuple(name.split("."))
    return keys if keys[0] in Architecture.model_fields else ("chip", *keys)


def _spelled(value: Any, field: FieldInfo) -> Any:
    """A value in base units as the file would spell it; sizes are read in bits."""
    unit = unit_of(field)
    if isinstance(value, float):
        value = float(f"{value:.12g}")
        value = int(value) if value.is_integer() else value
    if not unit or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return f"{value!r} {'b' if unit == 'B' else unit}"
