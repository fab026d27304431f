"""Every number that a file may give has a range, by the type of its field."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import archsim
from archsim.schema import Record, ranges, units


def models() -> list[type[BaseModel]]:
    """Every pydantic model of archsim, whichever file it is in."""
    optional = ("archsim.trace.pytorch",)  # needs torch; no file of a user's is read there
    for module in pkgutil.walk_packages(archsim.__path__, "archsim.", onerror=lambda name: None):
        if not module.name.endswith("__main__") and not module.name.startswith(optional):
            importlib.import_module(module.name)
    found: list[type[BaseModel]] = []
    new: list[type[BaseModel]] = [BaseModel]
    while new:
        new = [sub for one in new for sub in one.__subclasses__() if sub not in found]
        found += new
    return [m for m in dict.fromkeys(found) if m.__module__.startswith("archsim.")]


def unbounded(schema: Any, key: str = "") -> Iterator[str]:
    """Key paths of the numbers in a core schema that have no least or no greatest value."""
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from unbounded(item, key)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "function-before" and schema["function"]["function"].__module__ == units.__name__:
        return  # a quantity: its reader checks the range
    if kind in ("int", "float"):
        if not ({"ge", "gt"} & set(schema) and {"le", "lt"} & set(schema)):
            yield key
        return
    for name, child in schema.items():
        if name not in (
            "metadata",
            "serialization",
            "default",
            "cls",
            "ref",
            "json_schema_input_schema",
        ):
            inner = isinstance(child, dict) and child.get("type", "").endswith("-field")
            yield from unbounded(child, f"{key}.{name}" if inner else key)


def test_every_number_of_a_document_has_a_range() -> None:
    missing = [
        f"{model.__module__}.{model.__name__}{key}"
        for model in models()
        if not issubclass(model, Record)
        for key in unbounded(model.__pydantic_core_schema__)
    ]
    assert len(models()) > 100
    assert sorted(set(missing)) == []


def test_the_walk_finds_a_number_without_a_range() -> None:
    class Inner(BaseModel):
        fine: units.Count
        free: list[int | None] = []

    class Outer(BaseModel):
        inner: dict[str, Inner]
        half: float = 0.0
        rate: units.Frequency = 1.0

    assert sorted(unbounded(Outer.__pydantic_core_schema__)) == [".half", ".inner.free"]


QUANTITIES = {
    name: kind
    for name, kind in vars(units).items()
    if any("_reader" in repr(mark) for mark in getattr(kind, "__metadata__", ()))
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_a_quantity_has_two_ends(name: str) -> None:
    adapter: TypeAdapter[float] = TypeAdapter(QUANTITIES[name])
    unit = adapter.json_schema()["examples"][0]
    unit = unit.split()[-1] if isinstance(unit, str) else "b"
    for end in ("1e-80", "1e80"):
        with pytest.raises(ValidationError, match="is out of range"):
            adapter.validate_python(f"{end} {unit}")


NUMBERS = [
    (ranges.Size, (1, 10**9), (0, 10**9 + 1)),
    (ranges.Whole, (0, 10**9), (-1, 10**9 + 1)),
    (ranges.Few, (1, 10_000), (0, 10_001)),
    (ranges.Total, (0, 2**63 - 1), (-1, 2**63)),
    (ranges.BitWidth, (1, 32), (0, 33)),
    (ranges.Seed, (0, 2**63 - 1), (-1, 2**63)),
    (ranges.Integer, (1 - 2**63, 2**63 - 1), (-(2**63), 2**63)),
    (ranges.Share, (0.0, 1.0), (-1e-300, 1 + 1e-15)),
    (ranges.PositiveShare, (1e-9, 1.0), (0.0, 1e-300, 1.1)),
    (ranges.Ratio, (1e-9, 1e9), (0.0, 1e-10, 2e9)),
    (ranges.Times, (1.0, 1e30), (0.5, 1e31)),
    (ranges.Scale, (5e-324, 1e300), (0.0, -5e-324, 1e301)),
    (ranges.Real, (-1e300, 1e300), (-1e301, 1e301)),
    (units.Count, (1, 10**9), (0, 10**9 + 1, 10**5000)),
    (units.Bits, (1, 32), (0, 33, 10**5000)),
    (units.Width, (1, 10**9), (0, 10**9 + 1)),
]


@pytest.mark.parametrize("kind, inside, outside", NUMBERS)
def test_ends_of_each_range(kind: Any, inside: tuple[Any, ...], outside: tuple[Any, ...]) -> None:
    adapter: TypeAdapter[float] = TypeAdapter(kind)
    for value in inside:
        assert adapter.validate_python(value) == value
    for value in (*outside, float("nan"), float("inf"), float("-inf"), -(10**400)):
        with pytest.raises(ValidationError):
            adapter.validate_python(value)
