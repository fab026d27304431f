"""Costing: actions times energy per action, leakage times time, and area. Knows every joule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.components.values import Values
from archsim.mapping.actions import ActionTable
from archsim.program import Ints

STATIC = "static"


@dataclass(frozen=True)
class Energy:
    """Joules of a run, split by component and layer; `static` is leakage and constant power.

    by_part: (component path, "dynamic" or "static") -> J; by_layer: layer -> dynamic J;
    amounts: (component path, action) -> how often it happened; factors: layer -> (component path,
    action) -> what its values multiply the energy of the action by, where that is not 1.
    """

    by_part: dict[tuple[str, str], float]
    by_layer: dict[str, float]
    amounts: dict[tuple[str, str], float]
    factors: dict[str, dict[tuple[str, str], float]]

    @property
    def total(self) -> float:
        return sum(self.by_part.values())

    @property
    def static(self) -> float:
        return sum(e for (_, kind), e in self.by_part.items() if kind == STATIC)


def cost(
    arch: Architecture,
    actions: ActionTable,
    counts: Ints,
    seconds: float,
    chips: int,
    values: Mapping[str, Values],
) -> Energy:
    """Energy of a run of `seconds` on `chips` chips.

    values: by layer (archsim.costing.values.layer_values); the energy of an action is multiplied
    by what the component makes of those of the layer it is done for. Static power is drawn by every
    instance of every component for the whole run, used or not.
    """
    parts = arch.parts()
    per_action = {path: part.energies() for path, (part, _) in parts.items()}
    by_part = {(path, "dynamic"): 0.0 for path in parts}
    by_layer: dict[str, float] = {}
    amounts: dict[tuple[str, str], float] = {}
    factors: dict[str, dict[tuple[str, str], float]] = {}
    for action, count in zip(actions.actions, counts.tolist(), strict=True):
        known = factors.setdefault(action.layer, {})
        for path, name, amount in action.bill:
            if (path, name) not in known:
                found = values.get(action.layer)
                known[path, name] = (
                    1.0 if found is None else parts[path][0].value_factor(name, found)
                )
            joules = count * amount * per_action[path][name] * known[path, name]
            by_part[path, "dynamic"] += joules
            by_layer[action.layer] = by_layer.get(action.layer, 0.0) + joules
            amounts[path, name] = amounts.get((path, name), 0.0) + count * amount
    for path, (part, number) in parts.items():
        by_part[path, STATIC] = part.static_power * number * chips * seconds
    changed = {
        layer: {key: factor for key, factor in known.items() if factor != 1.0}
        for layer, known in factors.items()
    }
    return Energy(by_part, by_layer, amounts, changed)
