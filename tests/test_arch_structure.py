"""Architectures that differ in costs alone share a Program; all others do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_teaching import ROOT, layers, linear, small_chip

from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.arch.structure import structure_hash
from archsim.components.base import Component
from archsim.mapping.lower import map_trace
from archsim.program import Program
from archsim.simulation import simulate
from archsim.trace.load import load_trace

ARCHS = sorted((ROOT / "arch_configs").glob("*.yaml"))
TRACE = ROOT / "workloads" / "teaching.yaml"
WIDE = layers([6, 4], linear(4, 8), {"op": "activation", "function": "relu"}, bits=2)


def with_part(arch: Architecture, path: str, changes: dict[str, Any]) -> Architecture:
    """The architecture with fields of one component changed, without validation."""
    *levels, name = path.split(".")
    chip = arch.chip
    level = {"chip": chip, "chip.tile": chip.tile, "chip.tile.pe": chip.tile.pe}[".".join(levels)]
    part = level.parts[name].model_copy(update=changes)
    changed = level.model_copy()
    object.__setattr__(changed, "__pydantic_extra__", {**level.parts, name: part})
    tile, pe = chip.tile, chip.tile.pe
    if level is pe:
        tile = tile.model_copy(update={"pe": changed})
    elif level is tile:
        tile = changed
    base = changed if level is chip else chip
    return arch.model_copy(update={"chip": base.model_copy(update={"tile": tile})})


def same(one: Program, other: Program) -> bool:
    return all(
        np.array_equal(value, getattr(other, name))
        for name, value in vars(one).items()
        if isinstance(value, np.ndarray)
    )


@pytest.mark.parametrize("path", ARCHS, ids=lambda p: p.stem)
def test_what_is_only_costed_leaves_the_program_as_it_is(path: Path) -> None:
    """Every field that the hash leaves out, changed at once: same Program, same bills."""
    arch = load_arch(path)
    changed = arch
    for place, (part, _) in arch.parts().items():
        changes: dict[str, Any] = {}
        for name in type(part).model_fields:
            value = getattr(part, name)
            trial = with_part(arch, place, {name: _other(value)}) if _other(value) else arch
            if trial is not arch and structure_hash(trial) == structure_hash(arch):
                changes[name] = _other(value)
        assert {"power", "area"} & set(changes) or not (part.power or part.area)
        changed = with_part(changed, place, changes)
    assert structure_hash(changed) == structure_hash(arch)
    before, after = (map_trace(a, WIDE) for a in (arch, changed))
    assert same(before.program, after.program)
    assert before.actions.actions == after.actions.actions


def _other(value: object) -> Any:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return value * 1.5 + 1e-18
    return value + 1 if isinstance(value, int) else None


@pytest.mark.parametrize(
    "path, value",
    [
        ("chip.tile.pe.adc.rate", "2 GS/s"),
        ("chip.tile.pe.array.read_time", "3 ns"),
        ("chip.tile.buffer.width", "16 b"),
        ("chip.tile.pe.count", 3),
        ("chip.tile.buffer.capacity", "128 B"),
        ("clock", "2 GHz"),
    ],
)
def test_what_shapes_a_program_changes_the_hash(path: str, value: object) -> None:
    assert structure_hash(small_chip({path: value})) != structure_hash(small_chip())


def test_a_remembered_run_costs_what_a_fresh_one_does() -> None:
    memory: dict[str, Any] = {}
    cheap = small_chip()
    dear = small_chip({"chip.tile.pe.adc.power": "5 mW", "chip.tile.pe.adc.resolution": "4 b"})
    trace = load_trace(TRACE)
    fresh = [simulate(arch, trace) for arch in (cheap, dear)]
    kept = [simulate(arch, trace, memory=memory) for arch in (cheap, dear)]
    assert len(memory) == 1
    for one, other in zip(fresh, kept, strict=True):
        assert one.model_dump(exclude={"wall_s"}) == other.model_dump(exclude={"wall_s"})
    assert kept[0].energy_j < kept[1].energy_j
    assert simulate(cheap, trace, batch=2, memory=memory).latency_s > kept[0].latency_s
    assert len(memory) == 2


def test_every_kind_keeps_the_common_costs() -> None:
    assert Component.costing_only == {"static_share", "source", "sources", "cost"}
