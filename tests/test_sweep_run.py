"""What a sweep computes: every point as `simulate` would, each equal point once, in any order."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli_support import ROOT, Shell, shell
from test_sweep_support import ARCH, GRID, TRACE, Bench, bench

from archsim.arch.load import load_arch
from archsim.errors import InputError
from archsim.result import Result
from archsim.simulation import content_hash, simulate
from archsim.sweep import load_results, run_sweep
from archsim.sweep import worker as workers
from archsim.sweep.estimate import estimate
from archsim.sweep.folder import read
from archsim.sweep.names import Names
from archsim.sweep.paths import arch_value
from archsim.sweep.plan import Plan

__all__ = ["bench", "shell"]


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Indices of the points that are simulated, in order."""
    seen: list[int] = []
    run: Callable[..., Result] = workers.point_figures

    def noted(arch: Any, trace: Any, point: Any) -> Result:
        seen.append(point.index)
        return run(arch, trace, point)

    monkeypatch.setattr(workers, "point_figures", noted)
    return seen


def test_each_point_is_the_run_of_its_architecture(bench: Bench) -> None:
    bench.run(GRID)
    table = load_results(bench.out)
    assert list(table["tile.bus.wires"]) == [2, 8] * 3
    text = ARCH.read_text(encoding="utf-8").replace("wires: 8", "wires: 2")
    changed = bench.folder / "arch.yaml"
    changed.write_text(text.replace("rate: 1 GS/s", "rate: 2 GS/s"), encoding="utf-8")
    alone, row = simulate(changed, TRACE), table.iloc[4]
    assert row["tile.pe.adc.rate"] == "2 GS/s"
    for name in ("ticks", "energy_j", "area_mm2", "digest"):
        assert row[name] == getattr(alone, name)
    assert row["energy_ADCs_j"] == alone.energy_breakdown_j["ADCs"]


def test_the_result_is_also_a_table_on_disk(bench: Bench) -> None:
    bench.run(GRID)
    with open(bench.out / "results.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = load_results(bench.out)
    assert [float(row["energy_j"]) for row in rows] == list(table["energy_j"])
    assert sorted(p.name for p in bench.out.iterdir()) == [
        "inputs", "lock", "points.sqlite", "results.csv", "sweep.json",
    ]  # fmt: skip


def test_derived_values_keep_the_counts_of_a_pe_right(bench: Bench) -> None:
    """An axis of array sizes: DACs and sample-and-holds follow, or the point is invalid."""
    axes = "axes: {chip.tile.pe.array.size: [4 x 4, 8 x 4]}\n"
    derived = "derived:\n  tile.pe.dac.count: tile.pe.array.count * tile.pe.array.size[0]\n"
    assert bench.run(axes, bench.folder / "a").statuses == {"ok": 1, "invalid": 1}
    row = load_results(bench.folder / "a").iloc[1]
    assert row.status == "invalid"
    assert row.reason == "tile.pe: DACs: count is 8, needs 16 (one per row of every array)."
    assert bench.run(axes + derived, bench.folder / "b").statuses == {"ok": 2}
    assert list(load_results(bench.folder / "b")["tile.pe.dac.count"]) == [8, 16]


def test_a_derived_quantity_gets_the_unit_of_its_field(bench: Bench) -> None:
    bench.run(
        "axes: {tile.pe.adc.rate: [1 GS/s, 2 GS/s], tile.pe.array.read_time: [2 ns]}\n"
        "derived:\n"
        "  tile.pe.adc.power: {value: 1.25 mW * tile.pe.adc.rate / 1 GS/s, source: a test}\n"
        "  tile.pe.dac.pulse: tile.pe.array.read_time / 2\n"
        "  tile.buffer.capacity: 2 * tile.buffer.capacity\n"
        "  tile.pe.array.size: [2 + 2, 'tile.pe.array.size[1]']\n"
    )
    table = load_results(bench.out)
    assert list(table["tile.pe.adc.power"]) == ["0.00125 W", "0.0025 W"]
    assert set(table["tile.pe.dac.pulse"]) == {"1e-09 s"}
    assert set(table["tile.buffer.capacity"]) == {"1024 b"}
    assert set(table["tile.pe.array.size"]) == {"4 x 4"}
    assert set(table["status"]) == {"ok"}


def test_the_key_is_the_content_hash_whatever_the_spelling(bench: Bench) -> None:
    """Two spellings of one value, and the base's own value, give equal keys."""

    def keys(text: str) -> list[str]:
        model, document, inputs = read(bench.file(text))
        plan = Plan(model, Names(model, document, inputs), inputs)
        return [point.key for point in plan.points]

    first, second, other = keys("axes: {tile.pe.adc.rate: [1 GS/s, 1000 MS/s, 2 GS/s]}")
    assert first == second != other
    assert first in keys("axes: {tile.bus.wires: [8, 4], run.chips: [1, auto]}")
    assert first in keys("axes: {trace.precision.weight: [2, 1]}")
    assert len(set(keys("axes: {run.batch: [1, 2], run.replicate: [true, false]}"))) == 4


def test_a_point_is_built_as_its_settings_say(bench: Bench) -> None:
    model, document, inputs = read(bench.file("axes: {tile.bus.wires: [4], clock: [2 GHz]}"))
    (point,) = Plan(model, Names(model, document, inputs), inputs).points
    arch, base = inputs.arch_with(point.arch), load_arch(ARCH)
    assert arch_value(arch, "tile.bus.wires") == 4 and arch.clock == 2e9
    back = arch.model_copy(update={"clock": base.clock})
    assert content_hash(back) != content_hash(base)
    assert content_hash(inputs.arch_with({})) == content_hash(base)


def test_equal_points_are_simulated_once(bench: Bench, simulated: list[int]) -> None:
    text = "axes: {tile.pe.adc.rate: [1 GS/s, 1000 MS/s, 2 GS/s]}"
    bench.run(text)
    assert simulated == [0, 2]
    table = load_results(bench.out)
    assert table["digest"][0] == table["digest"][1] != table["digest"][2]


def test_other_sweeps_know_what_was_simulated(bench: Bench, simulated: list[int]) -> None:
    bench.run(GRID)
    assert len(simulated) == 6
    state = bench.run(GRID, bench.folder / "again")
    assert state.simulated == 0 and len(simulated) == 6
    assert bench.table() == bench.table(bench.folder / "again")
    assert bench.run(GRID, bench.folder / "anew", cache=False).simulated == 6


def test_the_cache_can_be_switched_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHSIM_SWEEP_CACHE", "off")
    for name in ("a", "b"):
        assert bench.run(GRID, bench.folder / name).simulated == 6
    assert not (bench.folder / "cache.sqlite").exists()


def test_a_cache_that_cannot_be_used_is_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.folder / "file").write_text("")
    monkeypatch.setenv("ARCHSIM_SWEEP_CACHE", str(bench.folder / "file" / "cache"))
    assert bench.run(GRID).simulated == 6


@pytest.mark.parametrize("cache", [False, True])
def test_constraints_exclude_points_whenever_they_can_be_judged(bench: Bench, cache: bool) -> None:
    """By a setting, by the chip, by the result; the same from the cache as from a simulation."""
    area = 0.0044
    text = (
        "axes: {tile.bus.wires: [1, 8], run.batch: [1, 4], tile.pe.adc.area: [1e-3 mm2, 1 mm2]}\n"
        f"constraints: [run.batch + tile.bus.wires != 2, area_mm2 < {area}, latency_s < 1.5e-7]\n"
    )
    first = bench.folder / "first"
    bench.run(text, first)
    bench.run(text, cache=cache)
    assert bench.table() == bench.table(first)
    table = load_results(bench.out).set_index(["tile.bus.wires", "run.batch", "tile.pe.adc.area"])
    assert table.loc[(1, 1, "1 mm2")].reason == "not met: run.batch + tile.bus.wires != 2"
    assert table.loc[(8, 1, "1 mm2")].reason == f"not met: area_mm2 < {area}"
    assert table.loc[(8, 4, "1e-3 mm2")].reason == "not met: latency_s < 1.5e-7"
    assert table.loc[(8, 4, "1e-3 mm2")].latency_s > 1.5e-7
    assert table.loc[(8, 1, "1e-3 mm2")].status == "ok"


def test_what_cannot_be_simulated_does_not_stop_the_rest(bench: Bench) -> None:
    bench.run("axes: {tile.count: [0, 1], tile.pe.count: [1, 2, many]}")
    table = load_results(bench.out)
    assert list(table.status) == ["invalid"] * 4 + ["ok", "invalid"]
    assert "must be 1 or more" in table.reason[0]
    assert "does not fit" in table.reason[3]
    assert "whole number" in table.reason[5]


def test_an_unexpected_fault_is_recorded_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Result:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(workers, "point_figures", broken)
        assert bench.run(GRID).statuses == {"failed": 6}
    assert set(load_results(bench.out).reason) == {"RuntimeError: broken"}
    assert run_sweep(bench.out, resume=True, workers=0).statuses == {"ok": 6}


def test_limit_and_resume_give_the_undisturbed_table(bench: Bench, simulated: list[int]) -> None:
    whole = bench.folder / "whole"
    bench.run(GRID, whole, cache=False)
    simulated.clear()
    state = bench.run(GRID, limit=4, cache=False)
    assert not state.complete and state.simulated == 4
    assert not (bench.out / "results.csv").exists()
    assert run_sweep(bench.out, resume=True, workers=0, cache=False).simulated == 2
    assert simulated == [0, 1, 2, 3, 4, 5]
    assert bench.table() == bench.table(whole)


def test_a_folder_needs_neither_the_sweep_file_nor_its_inputs(bench: Bench) -> None:
    for source in (ARCH, TRACE):
        shutil.copy(source, bench.folder / f"{source.parent.name}.yaml")
    path = bench.file()
    text = path.read_text().replace(str(ARCH), "arch_configs.yaml")
    path.write_text(text.replace(str(TRACE), "workloads.yaml"))
    run_sweep(path, bench.out, workers=0, limit=2)
    for used in (path, bench.folder / "arch_configs.yaml", bench.folder / "workloads.yaml"):
        used.unlink()
    moved = bench.folder / "moved"
    bench.out.rename(moved)
    assert run_sweep(moved, resume=True, workers=0).complete


def test_a_folder_is_only_gone_on_with_when_it_holds_the_same_sweep(bench: Bench) -> None:
    bench.run(GRID, limit=1)
    with pytest.raises(InputError, match="--resume"):
        bench.run(GRID)
    with pytest.raises(InputError, match="holds another sweep: axes differ"):
        bench.run("axes: {tile.bus.wires: [2, 4]}", resume=True)
    with pytest.raises(InputError, match="Add --resume"):
        run_sweep(bench.out)
    assert bench.run(GRID, resume=True).complete
    full = bench.folder / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not empty"):
        bench.run(GRID, full)
    with pytest.raises(InputError, match="holds no sweep"):
        run_sweep(full, resume=True)
    with pytest.raises(InputError, match="no sweep"):
        load_results(full)


def test_a_dry_run_counts_and_writes_nothing(bench: Bench) -> None:
    text = (
        "axes: {tile.pe.adc.rate: [1 GS/s, 1000 MS/s, 2 GS/s], tile.bus.wires: [0, 1, 8]}\n"
        "constraints: [tile.bus.wires != 1]\n"
    )
    before = sorted(bench.folder.iterdir())
    found = estimate(bench.file(text), workers=2, cache=False)
    assert (found.total, found.invalid, found.excluded) == (9, 3, 3)
    assert (found.equal, found.done, found.missing) == (1, 0, 2)
    assert found.point_s > 0 and found.wall_s == found.point_s
    assert sorted(bench.folder.iterdir()) == sorted([*before, bench.folder / "sweep.yaml"])
    bench.run(text)
    assert estimate(bench.out, workers=1).missing == 0


def test_the_shipped_sweeps_are_valid() -> None:
    for path in sorted((ROOT / "sweeps").glob("*.yaml")):
        model, document, inputs = read(path)
        plan = Plan(model, Names(model, document, inputs), inputs)
        assert any(not point.status for point in plan.points), path.name


def test_the_command(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHSIM_SWEEP_CACHE", "off")
    path, out = Bench(shell.folder).file(), shell.folder / "out"
    status, text, _ = shell("sweep", path, "--workers", "0", "--out", out, "--limit", "2", "--json")
    assert status == 0
    found = json.loads(text)
    assert (found["done"], found["points"], found["complete"]) == (2, 6, False)
    assert shell("sweep", out, "--resume", "--workers", "0").out.split()[:3] == [
        "Sweep", "points", "number",
    ]  # fmt: skip
    assert shell("sweep", path, "--dry-run", "--json").status == 0
    assert "--resume" in shell.refused("sweep", path, "--out", out, "--workers", "0")
    assert "--out" in shell.refused("sweep", path, "--workers", "0")
    assert "no such" in shell.refused("sweep", shell.folder / "none", "--resume")
    assert shell("sweep", out, "--resume", "--workers", "0", "--quiet").out == ""


def test_a_missing_package_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="pip install distributed"):
        bench.run(GRID, workers=1)


def test_importing_sweeps_is_cheap() -> None:
    import subprocess
    import sys

    code = "import sys, archsim.sweep, archsim.cli.sweep, archsim.cli.pareto; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(ROOT)
    )
    heavy = {"numpy", "pandas", "dask", "distributed", "optuna", "scipy", "matplotlib", "pydantic"}
    assert not heavy & set(ran.stdout.split())
