"""What a report needs of a result: the critical path and the floor plan."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_programs import programs
from test_cli_support import Shell, shell
from test_mapping import cnn, transformer
from test_teaching import CHIP, MESH, WORKLOAD, small_chip

from archsim.analysis.critical_path import critical_path
from archsim.analysis.floor_plan import floor_plan
from archsim.analysis.place import Place, place_of
from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.engine import run_program
from archsim.engine.deadlock import DeadlockError
from archsim.errors import InputError
from archsim.mapping.lower import map_trace
from archsim.mapping.mapped import Mapped
from archsim.program import Program
from archsim.result import RESULT_VERSION, Result, load_result
from archsim.simulation import simulate
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

__all__ = ["shell"]


def runs() -> list[tuple[Architecture, Trace]]:
    return [
        (load_arch(CHIP), load_trace(WORKLOAD)),
        (small_chip(MESH), cnn(8)),
        (small_chip(MESH), transformer(8)),
    ]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("number", range(3))
def test_the_critical_path_adds_up_to_the_latency(number: int, batch: int) -> None:
    result = simulate(*runs()[number], batch=batch, chips=None)
    path = result.critical_path
    assert sum(step.time_s for step in path) == pytest.approx(result.latency_s, rel=1e-12)
    assert path[0].start_s == 0
    assert max(step.finish_s for step in path) == pytest.approx(result.latency_s)
    layers = {layer.name: layer for layer in result.layers}
    for step in path:
        assert step.time_s <= step.finish_s - step.start_s + 1e-15
        assert step.finish_s <= layers[step.name].finish_s + 1e-15
    assert [step.start_s for step in path] == sorted(step.start_s for step in path)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_the_critical_path_of_any_program_adds_up(program: Program) -> None:
    # flows of several lanes finish out of order, and edges need all instances up to one
    try:
        activity = run_program(program)
    except DeadlockError:
        return
    mapped = cast(Mapped, SimpleNamespace(program=program, tick=1.0, operations=[]))
    path = critical_path(mapped, activity)
    assert sum(step.time_s for step in path) == activity.makespan


def test_the_critical_path_of_the_teaching_chip() -> None:
    # docs/teaching.md, vector 2: x is in the buffer at 3 ns, `first` has written its result at 66,
    # `second` at 87; each of the two is a flow that computes and one that delivers.
    path = simulate(CHIP, WORKLOAD).critical_path
    assert [(s.name, s.steps, s.waited_for) for s in path] == [
        ("x", 1, "-"),
        ("first", 2, "input from x"),
        ("second", 2, "input from first"),
    ]
    assert [1e9 * s.time_s for s in path] == pytest.approx([3, 63, 21])
    assert [1e9 * s.start_s for s in path] == pytest.approx([0, 3, 66])


def test_floor_plan_agrees_with_the_busy_times() -> None:
    arch, trace = small_chip(MESH), cnn(8)
    mapped = map_trace(arch, trace, batch=2, chips=None)
    activity = run_program(mapped.program)
    floor = floor_plan(arch, mapped, activity)
    tiles = arch.chip.tile.count * mapped.chips
    assert len(floor.chip) == len(floor.x) == len(floor.y) == len(floor.busiest) == tiles
    result = simulate(arch, trace, batch=2, chips=None)
    assert result.floor == floor
    # the mean over all tiles of the mean over their arrays is the run's array utilisation
    assert np.mean(floor.arrays) == pytest.approx(result.utilisation, abs=1e-5)
    assert all(0 <= a <= b <= 1 for a, b in zip(floor.arrays, floor.busiest, strict=True))
    assert all(
        bool(part) == (busy > 0)
        for part, busy in zip(floor.busiest_part, floor.busiest, strict=True)
    )
    spots = list(zip(floor.chip, floor.x, floor.y, strict=True))
    assert max(spots.count(spot) for spot in spots) <= floor.tiles_per_router
    assert max(floor.x) < floor.width
    assert max(floor.y) < floor.height
    assert floor.links
    for _, x, y, to_x, to_y, busy in floor.links:
        assert abs(x - to_x) + abs(y - to_y) == 1
        assert 0 < busy <= 1


def test_places() -> None:
    assert place_of(("chip.tile.pe.adc", 3, 5, 0)) == Place(tile=3, pe=5)
    assert place_of(("chip.tile.bus", 7)) == Place(tile=7)
    assert place_of(("chip.router", "up", 2)) == Place(tile=2)
    assert place_of(("chip.router", "mesh", 1, 4, 5)) == Place(chip=1, start=4, end=5)
    assert place_of(("chip.link", "off", 1)) == Place(chip=1)
    assert place_of(("chip.dram",)) == Place()


def test_an_older_result_loads_without_them(tmp_path: Path) -> None:
    result = simulate(CHIP, WORKLOAD)
    data = json.loads(result.model_dump_json())
    del data["floor"], data["critical_path"]
    file = tmp_path / "result.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    older = load_result(file)
    assert older.critical_path == []
    assert older.floor.chip == []
    assert older.digest == result.digest
    assert load_result(tmp_path) == older


def test_a_result_loads_as_it_was_written(shell: Shell) -> None:
    assert shell("run", CHIP, WORKLOAD, "--out", shell.out).status == 0
    again = load_result(shell.out)
    text = (shell.out / "result.json").read_text(encoding="utf-8")
    assert again == Result.model_validate_json(text)


def test_a_newer_and_a_missing_result(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no result.json") as missing:
        load_result(tmp_path)
    assert "archsim run ARCH TRACE --out DIR" in str(missing.value)
    (tmp_path / "result.json").write_text(f'{{"archsim_result": {RESULT_VERSION + 1}}}')
    with pytest.raises(InputError, match="was made by a newer archsim"):
        load_result(tmp_path)
