"""Benchmarks measure what they say; no time is judged here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archsim.bench.engine_bench import CONTENDED, MAPPED, PIPELINED, SETTINGS, measure
from archsim.bench.programs import contended, pipelined
from archsim.engine import run_program
from archsim.engine.reference import Reference

ROOT = Path(__file__).parent.parent


def test_contended_counts() -> None:
    """4 flows x 3 instances x (bus + 8 reads + 8 conversions + bus)."""
    program = contended(4, 3)
    assert program.services() == 4 * 3 * 18
    assert run_program(program).same_as(run_program(program, "reference"))


def test_a_part_of_a_reference_run_has_the_finish_times_of_the_whole() -> None:
    program = contended(8, 4)
    whole = run_program(program, "reference")
    part = Reference(program)
    part.begin()
    assert part.run_part(200)
    assert 200 <= part.events < program.services()
    for full, some in zip(whole.finish, part.finish, strict=True):
        assert np.array_equal(np.where(full <= part.env.now, full, -1), some)
    assert not part.run_part(10**9)
    assert all(np.array_equal(a, b) for a, b in zip(whole.finish, part.finish, strict=True))


def test_engine_bench_row() -> None:
    row = measure(CONTENDED, ROOT, runs=1, reference_services=2000)
    assert row.equal
    assert row.reference_services >= 2000
    assert [s.shortcuts for s in row.settings] == list(SETTINGS)
    assert row.settings[-1].events == row.services == contended(32, 2000).services()
    assert row.peak_mb > 0


def test_engine_bench_row_of_a_program_with_a_steady_state() -> None:
    row = measure(PIPELINED, ROOT, runs=1, reference_services=2000)
    assert row.equal
    events = {setting.shortcuts: setting.events for setting in row.settings}
    assert events["none"] == pipelined(32, 2000).services()
    assert events["all shortcuts"] < events["--no-steady-state"] / 5


def test_the_mapped_programs_of_the_benchmark_are_there() -> None:
    for case in MAPPED:
        assert (ROOT / case.arch).exists()
        assert (ROOT / case.workload).exists()
