"""What of an architecture shapes a Program, apart from what is only costed."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any

from archsim.arch.model import Architecture
from archsim.components.base import Component
from archsim.schema.declared_units import unit_of

COSTED = frozenset({"W", "J", "J/b", "mm2", "m", "V", "S"})
"""Units of fields that no time and no placement depends on: energies, powers, areas, cells."""


def structure_hash(arch: Architecture) -> str:
    """SHA-256 over all fields that the Program of a trace can depend on.

    Architectures with equal hashes give equal Programs, action tables and placements, so that a
    simulation of one holds for the other up to the costing.
    """
    levels: dict[str, Any] = {}
    for path, (level, _) in arch.levels().items():
        parts = {
            name: {
                k: v for k, v in part.model_dump(mode="json").items() if k in shaping(type(part))
            }
            for name, part in level.parts.items()
        }
        levels[path] = {"count": level.count, "parts": list(parts.items())}
    data = [arch.clock, arch.precision.model_dump(), levels]
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()


def effect(arch: Architecture) -> str:
    """All values that a figure of a run can depend on, as text; equal text, equal figures."""
    parts = [
        (path, number, part.model_dump(mode="json", exclude=set(type(part).descriptive)))
        for path, (part, number) in arch.parts().items()
    ]
    counts = [level.count for level, _ in arch.levels().values()]
    return json.dumps([arch.clock, arch.precision.model_dump(), counts, parts])


@functools.cache
def shaping(kind: type[Component]) -> frozenset[str]:
    """Fields of a kind of component that a Program can depend on."""
    return frozenset(
        name
        for name, field in kind.model_fields.items()
        if unit_of(field) not in COSTED and name not in kind.costing_only
    )
