"""The values that a sweep may set: paths into an architecture and a trace, run options."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from archsim.arch.model import Architecture, NativePrecision
from archsim.arch.sources import NOT_NUMBERS
from archsim.arch.structure import shaping
from archsim.errors import nearest
from archsim.options import RunOptions
from archsim.schema.expression import BASE_UNITS
from archsim.trace.model import Trace

RUN, TRACE = "run.", "trace."


class BadValue(ValueError):
    """A value that its path does not take; says why."""


@dataclass(frozen=True)
class Target:
    """One field that an axis or a derived value may set."""

    path: str
    adapter: TypeAdapter[Any]

    def read(self, value: Any) -> Any:
        """A value as the file spells it, in base units; BadValue if the field does not take it."""
        try:
            return self.adapter.validate_python(value)
        except ValidationError as fault:
            error = fault.errors(include_url=False)[0]
            message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
            raise BadValue(f"{self.path}: {message.rstrip('.')}.") from None

    def spelled(self, value: Any) -> Any:
        """A number in base units as the file would spell it: '1200000000 Hz'."""
        if isinstance(value, float):
            value = float(f"{value:.12g}")  # 0.1 + 0.2 is meant to be 0.3
            value = int(value) if value.is_integer() else value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return f"{value!r} {self.unit}" if number and self.unit else value

    @functools.cached_property
    def unit(self) -> str | None:
        """The base unit, found by asking the field which one it takes; None for a bare number."""
        for unit in (None, *BASE_UNITS):
            try:
                self.adapter.validate_python(f"1 {unit}" if unit else 1)
            except ValidationError:
                continue
            return unit
        return None


def canonical(path: str) -> str:
    """A path without the leading `chip.`, which may be left out."""
    return path.removeprefix("chip.")


def content_path(path: str) -> tuple[str, ...]:
    """The keys of an architecture's value in its document."""
    keys = tuple(path.split("."))
    return keys if keys[0] in Architecture.model_fields else ("chip", *keys)


def arch_fields(arch: Architecture) -> dict[str, FieldInfo]:
    """Every field of an architecture that may be set, by canonical path."""
    found = {
        "technology": Architecture.model_fields["technology"],
        "supply": Architecture.model_fields["supply"],
        "clock": Architecture.model_fields["clock"],
    }
    for name, field in NativePrecision.model_fields.items():
        found[f"precision.{name}"] = field
    for path, (level, _) in arch.levels().items():
        if path != "chip":
            found[canonical(f"{path}.count")] = type(level).model_fields["count"]
        for part_name, part in level.parts.items():
            for name, field in type(part).model_fields.items():
                if name not in NOT_NUMBERS:
                    found[canonical(f"{path}.{part_name}.{name}")] = field
            for name, field in type(part.cost).model_fields.items() if part.cost else ():
                if name not in NOT_NUMBERS:
                    found[canonical(f"{path}.{part_name}.cost.{name}")] = field
    return found


def costed_paths(arch: Architecture) -> frozenset[str]:
    """Paths of `arch_fields` that no Program depends on: what differs there alone shares one.

    Where a cost model fills in a rate or a clock, a run's own key tells Programs apart.
    """
    return frozenset({"technology", "supply"}) | {
        canonical(f"{path}.{part_name}.{name}")
        for path, (level, _) in arch.levels().items()
        for part_name, part in level.parts.items()
        for name in type(part).model_fields.keys() - shaping(type(part))
    }


def arch_value(arch: Architecture, path: str) -> Any:
    """The value at a canonical path, in base units; KeyError if there is none."""
    node: Any = arch
    for key in content_path(path):
        if not isinstance(node, BaseModel):
            raise KeyError(path)
        extra = node.__pydantic_extra__ or {}
        if key not in extra and key not in type(node).model_fields:
            raise KeyError(path)
        node = extra[key] if key in extra else getattr(node, key)
    return node


def trace_leaves(trace: Trace) -> dict[str, Any]:
    """Single values of a trace by path: `precision.weight`, `layers.conv1.stride`."""
    data = trace.model_dump(mode="json", exclude_none=True)
    found: dict[str, Any] = {}
    _leaves(data["precision"], "precision", found)
    for group in ("inputs", "layers"):
        for entry in data[group]:
            fields = {k: v for k, v in entry.items() if not k.endswith("stats")}
            _leaves(fields, f"{group}.{entry['name']}", found)
    if "generation" in data:
        _leaves(data["generation"], "generation", found)
    return found


def _leaves(node: Any, path: str, found: dict[str, Any]) -> None:
    if isinstance(node, dict):
        for key, child in node.items():
            _leaves(child, f"{path}.{key}", found)
    elif not path.endswith((".name", ".op", ".inputs")):
        found[path] = node


def run_paths() -> list[str]:
    """Paths of the run options."""
    return [RUN + name for name in RunOptions.model_fields]


@functools.cache
def run_target(path: str) -> Target:
    """The target of a run option."""
    return Target(path, _adapter(RunOptions.model_fields[path.removeprefix(RUN)]))


def arch_target(path: str, fields: dict[str, FieldInfo]) -> Target:
    """The target of a path into the architecture."""
    return Target(path, _adapter(fields[path]))


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[annotation, *field.metadata] if field.metadata else annotation)


def suggest(path: str, known: list[str]) -> str:
    """The nearest path; of a long list without a near one, those with the same last part."""
    hint = nearest(path, known)
    if hint.startswith("Did you mean") or len(known) <= 12:
        return hint
    last = path.rsplit(".", 1)[-1]
    alike = [name for name in known if name.rsplit(".", 1)[-1] == last][:5]
    if alike:
        return f"There is: {', '.join(alike)}."
    return (
        "Use a path of the architecture, such as tile.count, or run.batch, trace.precision.weight."
    )
