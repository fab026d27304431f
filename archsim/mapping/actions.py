"""Actions of a Program: what each action id stands for in components and layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Bill = tuple[tuple[str, str, float], ...]  # (component path, action, amount)


@dataclass(frozen=True)
class Action:
    """One count of this action is all entries of the bill, on behalf of one layer."""

    layer: str
    bill: Bill


@dataclass
class ActionTable:
    """Action ids by content, so that equal actions share one."""

    actions: list[Action] = field(default_factory=list)
    _known: dict[tuple[str, Bill], int] = field(default_factory=dict)

    def id(self, layer: str, bill: Iterable[tuple[str, str, float]]) -> int:
        """The id of an action, new or known."""
        key = layer, tuple(bill)
        if key not in self._known:
            self._known[key] = len(self.actions)
            self.actions.append(Action(*key))
        return self._known[key]
