"""Where every number of an architecture comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from archsim.arch.model import Architecture
from archsim.components.base import ASSUMPTION
from archsim.schema import Model

NOT_NUMBERS = {
    "kind",
    "cost",
    "model",
    "source",
    "sources",
    "name",
    "description",
    "references",
    "archsim_arch",
}


@dataclass(frozen=True)
class SourcedValue:
    """One number: where it stands, its value in SI units, and its source.

    origin: typed in the file; from a cost model; or fitted to a measurement, which a typed number
    says in its source and a model by a scale.
    """

    path: str
    value: Any
    source: str
    origin: Literal["typed", "model", "fitted"] = "typed"

    @property
    def assumed(self) -> bool:
        """True if no source is given."""
        return self.source.lower().startswith(ASSUMPTION)


def sources(arch: Architecture) -> list[SourcedValue]:
    """Every number that the file states, in its order, then those of cost models."""
    rows = [
        SourcedValue("technology", arch.technology, arch.source),
        *([SourcedValue("supply", arch.supply, arch.source)] if arch.supply else []),
        SourcedValue("clock", arch.clock, arch.source),
        SourcedValue("precision.weight", arch.precision.weight, arch.source),
        SourcedValue("precision.input", arch.precision.input, arch.source),
    ]
    for path, (level, _) in arch.levels().items():
        if "count" in level.model_fields_set:
            rows.append(SourcedValue(f"{path}.count", level.count, level.source))
        for name, part in level.parts.items():
            rows += _of_part(f"{path}.{name}", part, part.source, part.sources)
            if part.cost is not None:
                rows += _of_part(f"{path}.{name}.cost", part.cost, part.source, part.sources)
    rows += [
        SourcedValue(
            f"{row.path}.{row.field}",
            row.value,
            f"model {row.model}: {row.source}",
            "fitted" if row.fitted else "model",
        )
        for row in arch.priced
        if row.typed is None
    ]
    return rows


def _of_part(path: str, part: Model, source: str, single: dict[str, str]) -> list[SourcedValue]:
    return [
        SourcedValue(f"{path}.{field}", value, stated, _origin(stated))
        for field in type(part).model_fields
        if field in part.model_fields_set
        and field not in NOT_NUMBERS
        and not isinstance(value := getattr(part, field), str | Model)
        for stated in (single.get(field, source),)
    ]


def _origin(source: str) -> Literal["typed", "fitted"]:
    return "fitted" if re.search(r"\bfitted\b", source, re.IGNORECASE) else "typed"
