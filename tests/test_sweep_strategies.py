"""Samples and searches: the same seed gives the same points, also after an interruption."""

from __future__ import annotations

import pytest
from test_sweep_support import Bench, bench

from archsim.arch.model import Architecture
from archsim.result import Result
from archsim.sweep import load_results, run_sweep
from archsim.sweep import worker as workers
from archsim.sweep.points import Point
from archsim.trace.model import Trace

__all__ = ["bench"]


@pytest.mark.parametrize("kind", ["random", "lhs", "sobol"])
def test_samples_fill_the_space_and_repeat(bench: Bench, kind: str) -> None:
    text = (
        "axes: {tile.bus.wires: {from: 1, to: 64}, tile.pe.adc.rate: {from: 1 GS/s, to: 4 GS/s}}\n"
        f"strategy: {{kind: {kind}, samples: 8, seed: 3}}\n"
    )
    bench.run(text)
    bench.run(text, bench.folder / "again")
    assert bench.table() == bench.table(bench.folder / "again")
    table = load_results(bench.out)
    assert len(table) == 8 and table["tile.bus.wires"].between(1, 64).all()
    if kind != "random":  # one in each eighth of the axis
        assert sorted((table["tile.bus.wires"] - 1) // 8) == list(range(8))


@pytest.mark.parametrize("kind", ["nsga2", "tpe"])
def test_a_search_resumes_as_if_nothing_had_happened(
    bench: Bench, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "axes: {tile.bus.wires: {from: 1, to: 64}, tile.pe.adc.rate: {from: 1 GS/s, to: 4 GS/s},\n"
        "  tile.pe.count: [1, 2]}\n"  # 1 is too few for the model
        "constraints: [latency_s < 9e-8]\n"
        f"strategy: {{kind: {kind}, samples: 20, population: 6, seed: 1,"
        " objectives: [energy_j, latency_s]}\n"
    )
    whole = bench.folder / "whole"
    bench.run(text, whole, cache=False)
    assert {"ok", "invalid"} <= set(load_results(whole).status)
    simulated, run = [], workers.point_figures

    def noted(arch: Architecture, trace: Trace, point: Point) -> Result:
        simulated.append(point.index)
        return run(arch, trace, point)

    monkeypatch.setattr(workers, "point_figures", noted)
    while not run_sweep(
        bench.file(text), bench.out, workers=0, limit=3, resume=True, cache=False
    ).complete:
        pass
    assert bench.table() == bench.table(whole)
    assert len(simulated) == len(set(simulated))
