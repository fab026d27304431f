"""Adaptation methods as an axis of a sweep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli_support import ROOT
from test_sweep_support import TRACE, Bench, bench

import archsim.sweep.worker as workers
from archsim.adaptation.evaluate import evaluate
from archsim.adaptation.registry import make_method
from archsim.arch.load import load_arch
from archsim.arch.structure import structure_hash
from archsim.errors import InputError
from archsim.sweep import run_sweep
from archsim.sweep.pareto import pareto
from archsim.sweep.plan import load_plan
from archsim.sweep.points import Point, together
from archsim.sweep.results import load_axes, load_rows
from archsim.trace.load import load_trace

__all__ = ["bench"]
HYBRID = ROOT / "arch_configs" / "rram_sram_hybrid.yaml"
HEAD = f"archsim_sweep: 1\nname: test\narch: {HYBRID}\ntraces: [{TRACE}]\n"


def sweep(bench: Bench, text: str, **options: Any) -> list[dict[str, Any]]:
    """The rows of a sweep of the teaching model on the hybrid chip."""
    file = bench.folder / "methods.yaml"
    file.write_text(HEAD + text, encoding="utf-8")
    run_sweep(file, bench.out, **{"workers": 0, **options})
    return load_rows(bench.out)


def plan(bench: Bench, text: str) -> list[Point]:
    file = bench.folder / "methods.yaml"
    file.write_text(HEAD + text, encoding="utf-8")
    return load_plan(file).points


def test_each_point_is_an_evaluation_of_its_method(bench: Bench) -> None:
    found = sweep(bench, "methods: [full, {kind: halora, rank: 1}, xbm]")
    arch, trace = load_arch(HYBRID), load_trace(TRACE)
    assert [row["method"] for row in found] == ["full", "halora, rank 1", "xbm"]
    for row, (kind, more) in zip(
        found, (("full", {}), ("halora", {"rank": 1}), ("xbm", {})), strict=True
    ):
        expected = evaluate(make_method(kind, more), arch, trace)
        assert row["energy_j"] == expected.inference.energy_j
        assert row["latency_s"] == expected.inference.latency_s
        assert row["switch_energy_j"] == expected.switch.joules
        assert row["switch_latency_s"] == expected.switch.seconds
        assert row["once_energy_j"] == expected.once.joules
        assert row["cells_programmed"] == expected.switch.cells
        assert row["rows_programmed"] == expected.switch.rows
        assert row["pulses"] == expected.switch.pulses
        assert row["bits_written"] == expected.switch.bits
        assert row["trained"] == expected.adapted.trained
        assert row["stored_bits"] == expected.adapted.stored_bits
    full, halora, _ = found
    assert full["trained"] == 24 and full["cells_programmed"] > 0
    assert halora["trained"] == 4 + 4 and halora["cells_programmed"] == 0
    front = pareto(found, ["switch_energy_j", "energy_j"])
    assert min(found, key=lambda row: row["switch_energy_j"]) in front


def test_a_parameter_is_an_axis_of_the_methods_that_have_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated, run = [], workers.point_figures

    def noted(arch: Any, trace: Any, point: Point) -> dict[str, Any]:
        simulated.append(point.index)
        return run(arch, trace, point)

    monkeypatch.setattr(workers, "point_figures", noted)
    rows = sweep(bench, "methods: [none, lora-rram]\naxes: {method.rank: [1, 2, 5]}")
    assert [row["method.rank"] for row in rows] == [None, None, None, 1, 2, 5]
    assert [row["status"] for row in rows] == ["ok"] * 5 + ["invalid"]
    assert "rank 5 does not fit layer 'first'" in rows[5]["reason"]
    assert sorted(simulated) == [0, 3, 4, 5]  # without a method the rank is nothing
    assert rows[0]["energy_j"] == rows[2]["energy_j"] < rows[3]["energy_j"]
    assert [row["trained"] for row in rows[3:5]] == [8, 16]
    assert rows[0].get("trained") is None
    assert load_axes(bench.out) == ["method", "method.rank"]
    assert "none,,ok" in (bench.out / "results.csv").read_text().splitlines()[1]


def test_a_method_that_the_chip_or_the_model_is_unfit_for_is_invalid(bench: Bench) -> None:
    rows = sweep(bench, "methods: [mobiletl, xbm]")
    assert [row["status"] for row in rows] == ["invalid", "ok"]
    assert "no inverted residual blocks" in rows[0]["reason"]
    isaac = HEAD.replace(str(HYBRID), str(ROOT / "arch_configs" / "isaac.yaml"))
    (bench.folder / "plain.yaml").write_text(isaac + "methods: [full, {kind: halora, rank: 1}]")
    run_sweep(bench.folder / "plain.yaml", bench.folder / "plain", workers=0)
    plain = load_rows(bench.folder / "plain")
    assert [row["status"] for row in plain] == ["invalid", "invalid"]
    assert "branch" in plain[1]["reason"]


def test_the_key_has_the_method_with_all_its_parameters(bench: Bench) -> None:
    axis = plan(bench, "methods: [lora-rram]\naxes: {method.rank: [4, 8, 16]}")
    listed = plan(bench, "methods: [none, lora-rram, {kind: lora-rram, rank: 4}, halora]")
    assert len({point.key for point in listed}) == 4
    assert axis[0].key == listed[2].key
    assert axis[1].key == listed[1].key  # 8 is the paper's
    assert axis[2].key not in {point.key for point in listed}
    assert axis[0].adaptation == {"kind": "lora-rram", "rank": 4, "modules": None}
    assert listed[0].adaptation == {}


def test_parameters_are_values_of_expressions(bench: Bench) -> None:
    points = plan(
        bench,
        "methods: [none, lora-rram]\naxes: {half: [1, 2]}\n"
        "derived: {method.rank: 2 * half}\n"
        'constraints: [method == "none" or method.rank < 4]',
    )
    assert [p.settings["method.rank"] for p in points] == [None, None, 2, 4]
    assert [p.status for p in points] == ["", "", "", "excluded"]
    usual = plan(bench, "methods: [none, lora-rram]\nconstraints: [method.rank == 8]")
    assert [p.status for p in usual] == ["invalid", ""]
    assert "'none' has no parameter 'rank'" in usual[0].reason
    rows = sweep(
        bench,
        "methods: [halora]\naxes: {method.rank: [1, 2]}\nconstraints: [trained + method.rank < 16]",
    )
    assert [row["status"] for row in rows] == ["ok", "excluded"]


BAD = {
    "unknown": ("methods: [halara]", "'halora'"),
    "twice": ("methods: [halora, {kind: halora, rank: 4}]", "names the method 'halora' twice"),
    "bad parameter": ("methods: [{kind: halora, rnak: 4}]", "rank, modules"),
    "no kind": ("methods: [{rank: 4}]", "{kind: full}"),
    "none has no parameters": ("methods: [{kind: none, rank: 4}, full]", "no parameters"),
    "unknown parameter": ("methods: [halora]\naxes: {method.rnak: [4]}", "method.rank"),
    "of no method": ("methods: [full]\naxes: {method.rank: [4]}", "no value 'method.rank'"),
    "set twice": (
        "methods: [{kind: halora, rank: 4}]\naxes: {method.rank: [4]}",
        "has its own 'rank' in line 5",
    ),
    "derived and set": (
        "methods: [{kind: halora, rank: 4}, full]\nderived: {method.rank: 4}",
        "has its own 'rank'",
    ),
    "figure of methods": (
        "methods: [none, full]\nconstraints: [switch_energy_j < 1]",
        "Take 'none' out",
    ),
    "objective of methods": (
        "axes: {tile.count: [168]}\n"
        "strategy: {kind: tpe, objectives: [switch_latency_s], samples: 4}",
        "'none' has none",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_methods_say_what_would_be_right(bench: Bench, name: str) -> None:
    text, said = BAD[name]
    with pytest.raises(InputError) as caught:
        plan(bench, text)
    assert said in str(caught.value)
    assert "methods.yaml:" in str(caught.value)


def test_points_of_one_structure_are_those_of_one_program(bench: Bench) -> None:
    file = bench.file(
        "axes:\n  tile.pe.adc.rate: [0.5 GS/s, 1 GS/s]\n  tile.pe.adc.power: [1 mW, 2 mW]\n"
        "  tile.pe.adc.resolution: [3, 4]\n  tile.bus.wires: [2, 8]\n  clock: [1 GHz, 2 GHz]\n"
    )
    teaching = load_plan(file)
    arch = {p.index: structure_hash(teaching.inputs.arch_with(p.arch)) for p in teaching.points}
    pairs = {(point.structure, arch[point.index]) for point in teaching.points}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 8


def test_points_that_differ_in_costs_alone_are_mapped_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    import archsim.mapping.lower as lower

    mapped, run = [], lower.map_trace

    def noted(*given: Any, **options: Any) -> Any:
        mapped.append(options)
        return run(*given, **options)

    monkeypatch.setattr(lower, "map_trace", noted)
    workers.forget_runs()
    bench.run(
        "axes: {tile.bus.power: [1 mW, 2 mW], tile.bus.wires: [1, 2, 3, 4, 5, 6]}", cache=False
    )
    assert len(mapped) == 6
    rows = load_rows(bench.out)
    assert [row["status"] for row in rows] == ["ok"] * 12
    assert len({row["latency_s"] for row in rows}) <= 6 < len({row["energy_j"] for row in rows})


@given(st.lists(st.sampled_from("abc")))
def test_together_keeps_all_points_and_makes_each_structure_one_run(letters: list[str]) -> None:
    points = [Point(i, {}, structure=letter) for i, letter in enumerate(letters)]
    ordered = together(points)
    assert sorted(ordered, key=lambda p: p.index) == points
    runs = [p.structure for i, p in enumerate(ordered)
            if i == 0 or ordered[i - 1].structure != p.structure]  # fmt: skip
    assert runs == list(dict.fromkeys(letters))
    for letter in "abc":
        indices = [p.index for p in ordered if p.structure == letter]
        assert indices == sorted(indices)


def test_switches_that_differ_in_costs_alone_are_simulated_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulses of half the energy: the same writes, costed anew and exactly as from nothing."""
    import archsim.engine

    runs, run_program = [], archsim.engine.run_program

    def counted(*args: Any, **options: Any) -> Any:
        runs.append(args)
        return run_program(*args, **options)

    monkeypatch.setattr(archsim.engine, "run_program", counted)
    workers.forget_runs()
    energies = "axes: {chip.tile.write_driver.pulse_energy: [10 pJ, 20 pJ]}\n"
    low, high = sweep(bench, "methods: [{kind: full}]\n" + energies)
    assert len(runs) == 2  # the inference and the switch; `full` sets nothing up once
    pulses, chip = low["pulses"], load_arch(HYBRID)
    assert low["switch_energy_j"] < high["switch_energy_j"]
    spread = high["switch_energy_j"] - low["switch_energy_j"]
    assert spread == pytest.approx(pulses * 10e-12)
    expected = evaluate(make_method("full", {}), chip, load_trace(TRACE))
    assert low["switch_latency_s"] == high["switch_latency_s"] == expected.switch.seconds
