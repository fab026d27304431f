"""Where every number of an architecture comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archsim.arch.model import Architecture
from archsim.components.base import ASSUMPTION
from archsim.schema import Model

NOT_NUMBERS = {"kind", "source", "sources", "name", "description", "references", "archsim_arch"}


@dataclass(frozen=True)
class SourcedValue:
    """One number: where it stands, its value in SI units, and its source."""

    path: str
    value: Any
    source: str

    @property
    def assumed(self) -> bool:
        """True if no source is given."""
        return self.source.lower().startswith(ASSUMPTION)


def sources(arch: Architecture) -> list[SourcedValue]:
    """Every number that the file states, in its order."""
    rows = [
        SourcedValue("technology", arch.technology, arch.source),
        SourcedValue("clock", arch.clock, arch.source),
        SourcedValue("precision.weight", arch.precision.weight, arch.source),
        SourcedValue("precision.input", arch.precision.input, arch.source),
    ]
    for path, (level, _) in arch.levels().items():
        if "count" in level.model_fields_set:
            rows.append(SourcedValue(f"{path}.count", level.count, level.source))
        for name, part in level.parts.items():
            rows += _of_part(f"{path}.{name}", part, part.source, part.sources)
    return rows


def _of_part(path: str, part: Model, source: str, single: dict[str, str]) -> list[SourcedValue]:
    return [
        SourcedValue(f"{path}.{field}", getattr(part, field), single.get(field, source))
        for field in type(part).model_fields
        if field in part.model_fields_set
        and field not in NOT_NUMBERS
        and not isinstance(getattr(part, field), str)
    ]
