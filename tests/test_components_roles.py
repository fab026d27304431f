"""A component kind has its role whole or not at all; the registry says which part is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from archsim.components.base import Component, Work
from archsim.components.registry import kinds
from archsim.components.roles import DigitalUnit, Memory, WeightUnit, check_role


def kind(**members: Any) -> type[Component]:
    """A component kind with these members."""
    return type("Odd", (Component,), {"__module__": "odd_unit", **members})


def compute(self: Any, primitives: Mapping[str, float]) -> Work:
    return Work(1, 1e-9, primitives)


def write(self: Any, bits: int) -> Work:
    return Work(bits, 1e-9, {})


def primitives(*names: str) -> dict[str, Any]:
    return {
        "__annotations__": {"primitives": ClassVar[frozenset[str]]},
        "primitives": frozenset(names),
    }


@pytest.mark.parametrize(
    "members, words",
    [
        ({"compute": compute}, "has `compute` and no `primitives`"),
        (primitives("add"), "has `primitives` and no `compute`"),
        ({**primitives(), "compute": compute}, "frozenset of names"),
        ({**primitives("add"), "compute": write}, r"calls `compute\(self, primitives\)`"),
        ({**primitives("weight_mac"), "compute": compute}, "has `write"),
        ({"write": compute}, r"calls `write\(self, bits\)`"),
    ],
)
def test_half_a_role_is_refused(members: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words) as fault:
        check_role(kind(**members))
    assert "odd_unit: the component kind Odd" in str(fault.value)


def test_a_whole_role_and_none_are_accepted() -> None:
    check_role(kind())
    check_role(kind(**primitives("add"), compute=compute))
    check_role(kind(**primitives("weight_mac"), compute=compute, write=write))
    check_role(kind(write=write))


def test_the_registry_refuses_what_it_finds_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {**kinds(), "odd": kind(compute=compute)}
    monkeypatch.setattr("archsim.components.registry.classes_by_kind", lambda *_: found)
    with pytest.raises(TypeError, match="Odd"):
        kinds()


def test_the_roles_of_the_kinds_that_there_are() -> None:
    def with_role(role: type) -> set[str]:
        wanted = [name for name in ("primitives", "compute", "write") if hasattr(role, name)]
        return {name for name, kind in kinds().items() if all(hasattr(kind, w) for w in wanted)}

    weights = {"cluster", "sram_lora_branch"}
    assert with_role(WeightUnit) == weights
    assert with_role(Memory) == {*weights, "column_mask"}
    assert with_role(DigitalUnit) >= {*weights, "vector_unit", "activation_unit", "max_pool_unit"}
