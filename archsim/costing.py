"""Costing: actions times energy per action, leakage times time, and area. Knows every joule."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.model import Architecture
from archsim.mapping.actions import ActionTable
from archsim.program import Ints

STATIC = "static"


@dataclass(frozen=True)
class Energy:
    """Joules of a run, split by component and layer; `static` is leakage and constant power.

    by_part: (component path, "dynamic" or "static") -> J; by_layer: layer -> dynamic J;
    amounts: (component path, action) -> how often it happened.
    """

    by_part: dict[tuple[str, str], float]
    by_layer: dict[str, float]
    amounts: dict[tuple[str, str], float]

    @property
    def total(self) -> float:
        return sum(self.by_part.values())

    @property
    def static(self) -> float:
        return sum(e for (_, kind), e in self.by_part.items() if kind == STATIC)


def cost(
    arch: Architecture, actions: ActionTable, counts: Ints, seconds: float, chips: int
) -> Energy:
    """Energy of a run of `seconds` on `chips` chips.

    Static power is drawn by every instance of every component for the whole run, used or not.
    """
    parts = arch.parts()
    per_action = {path: part.energies() for path, (part, _) in parts.items()}
    by_part = {(path, "dynamic"): 0.0 for path in parts}
    by_layer: dict[str, float] = {}
    amounts: dict[tuple[str, str], float] = {}
    for action, count in zip(actions.actions, counts.tolist(), strict=True):
        for path, name, amount in action.bill:
            joules = count * amount * per_action[path][name]
            by_part[path, "dynamic"] += joules
            by_layer[action.layer] = by_layer.get(action.layer, 0.0) + joules
            amounts[path, name] = amounts.get((path, name), 0.0) + count * amount
    for path, (part, number) in parts.items():
        by_part[path, STATIC] = part.static_power * number * chips * seconds
    return Energy(by_part, by_layer, amounts)
