"""Timelines: slices on a server never overlap and add up to its busy time, merged or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import programs
from test_cli_support import ROOT, Shell, shell
from test_mapping import transformer
from test_programming import DRIVER
from test_teaching import MESH, small_chip

from archsim.analysis.critical_path import critical_path
from archsim.arch.load import load_arch
from archsim.bench.programs import contended
from archsim.costing.values import layer_values
from archsim.engine.deadlock import DeadlockError
from archsim.engine.record import run_recorded
from archsim.errors import InputError
from archsim.mapping.lower import map_trace
from archsim.mapping.written import Rewrite
from archsim.program import Ints, Program, ProgramBuilder
from archsim.simulation import simulate
from archsim.timeline.model import BUSY, END, KIND, SERVICES, START, TRACK, WAIT, WORK
from archsim.timeline.record import record
from archsim.timeline.slices import Slices
from archsim.timeline.write import write_timeline
from archsim.trace.load import load_trace

__all__ = ["shell"]
CHIP = ROOT / "arch_configs" / "teaching.yaml"
WORKLOAD = ROOT / "workloads" / "teaching.yaml"


def collected(program: Program, limit: int) -> tuple[Slices, Ints, Ints]:
    """The collector after a run, its table, and the busy ticks of each resource.

    Each resource is a unit of the only PE of a tile, with two others.
    """
    places = [("chip.tile.pe.unit", number // 3, 0, number) for number in range(program.resources)]
    slices = Slices(program, places, program.resources, limit)
    activity = run_recorded(program, slices.add)
    return slices, slices.table(), activity.busy


def overlaps(table: Ints) -> int:
    same = table[1:, TRACK] == table[:-1, TRACK]
    return int((table[1:, START] < table[:-1, END])[same].sum())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_every_service_is_on_one_server_and_none_overlap(program: Program) -> None:
    try:
        slices, table, busy = collected(program, 10**6)
    except DeadlockError:
        return
    assert (slices.level, slices.gap) == (0, 0)
    assert overlaps(table) == 0
    work = table[table[:, KIND] == WORK]
    length = work[:, END] - work[:, START]
    assert np.array_equal(length, work[:, BUSY])
    first = np.concatenate([[0], np.cumsum(program.resource_servers)])
    on_track = np.bincount(work[:, TRACK], length, minlength=first[-1]).astype(np.int64)
    assert np.array_equal(np.add.reduceat(on_track, first[:-1]), busy)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(), st.integers(3, 40))
def test_merged_slices_keep_the_busy_time_and_do_not_overlap(program: Program, limit: int) -> None:
    try:
        slices, table, busy = collected(program, limit)
    except DeadlockError:
        return
    assert len(table) <= max(limit, 1.5 * len(slices.tracks))
    assert overlaps(table) == 0
    assert table[:, BUSY].sum() == busy.sum()
    assert (table[:, BUSY][table[:, KIND] == WAIT] == 0).all()
    if slices.level:  # a tile, or in the coarser division its PEs, is a track
        digits = len(str(program.resources - 1))
        tiles = {track.process: 0 for track in slices.tracks}
        for resource, ticks in enumerate(busy.tolist()):
            name = "tiles" if slices.level == 3 else f"tile {resource // 3:0{digits}}"
            tiles[name] += ticks
        for row in table.tolist():
            tiles[slices.tracks[row[TRACK]].process] -= row[BUSY]
        assert set(tiles.values()) == {0}


def test_two_servers_and_one_that_is_held_while_it_waits() -> None:
    b = ProgramBuilder()
    one, two = b.resource("array"), b.resource("adc", 2)
    b.flow("layer", 2)
    b.lane()
    slow = b.stage(two, 10, beats=2)
    b.stage(one, 3, beats=2, hold=True, parents=[slow])
    # adc: both beats of instance 0 take a server each (0-10), then those of instance 1 (10-20).
    # array: beats 10-13 and 13-16 of instance 0, then of instance 1 at 20-23 and 23-26.
    b.flow("late", 1)
    b.lane()
    early = b.stage(b.resource("early"), 4, beats=2)
    b.stage(b.resource("held"), 1, beats=2, hold=True, parents=[early])
    # early: 0-4, 4-8 (one slice); held: 4-5, waits 5-8, 8-9
    slices, table, _ = collected(b.build(), 10**6)
    drawn = [
        (slices.tracks[r[TRACK]].name, int(r[START]), int(r[END]), int(r[KIND])) for r in table
    ]
    assert drawn == [
        ("PE 0: unit 0", 10, 16, WORK),
        ("PE 0: unit 0", 20, 26, WORK),
        ("PE 0: unit 1.0", 0, 10, WORK),
        ("PE 0: unit 1.0", 10, 20, WORK),
        ("PE 0: unit 1.1", 0, 10, WORK),
        ("PE 0: unit 1.1", 10, 20, WORK),
        ("PE 0: unit 2", 0, 8, WORK),
        ("PE 0: unit 3", 4, 5, WORK),
        ("PE 0: unit 3", 5, 8, WAIT),
        ("PE 0: unit 3", 8, 9, WORK),
    ]


def test_a_held_server_is_not_given_away() -> None:
    b = ProgramBuilder()
    both = b.resource("both", 2)
    b.flow("holds", 1)
    b.lane()
    early = b.stage(b.resource("early"), 4, beats=2)
    b.stage(both, 1, beats=2, hold=True, parents=[early])
    b.flow("other", 1)
    b.lane()
    b.stage(both, 1, parents=[b.stage(b.resource("first"), 5)])
    # the holder has server 0 from 4 to 9, so what comes at 5 takes server 1
    slices, table, _ = collected(b.build(), 10**6)
    drawn = {(slices.tracks[r[TRACK]].name, int(r[START]), int(r[KIND])) for r in table}
    assert {place for place in drawn if ": unit 0." in place[0]} == {
        ("PE 0: unit 0.0", 4, WORK),
        ("PE 0: unit 0.0", 5, WAIT),
        ("PE 0: unit 0.0", 8, WORK),
        ("PE 0: unit 0.1", 5, WORK),
    }


def test_a_long_run_stays_below_the_limit() -> None:
    program = contended(64, 500)
    slices, table, busy = collected(program, 2000)
    assert program.services() > 500_000
    assert len(table) <= 2000
    assert slices.gap > 0
    assert table[:, BUSY].sum() == busy.sum()
    assert table[:, SERVICES].sum() == program.services()
    assert overlaps(table) == 0


def unit_tracks(data: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Complete events by thread, those of operations left out."""
    names = {
        e["pid"]: e["args"]["name"] for e in data["traceEvents"] if e["name"] == "process_name"
    }
    found: dict[int, list[dict[str, Any]]] = {}
    for event in data["traceEvents"]:
        if event["ph"] == "X" and not names[event["pid"]].startswith("operations"):
            found.setdefault(event["tid"], []).append(event)
    return found


def test_json_parsed_back_has_the_busy_times_energy_and_latency(shell: Shell) -> None:
    file = shell.folder / "run.json"
    out = run(shell, "--timeline", file, "--batch", "3")
    data = json.loads(file.read_text(encoding="utf-8"))
    mapped = map_trace(load_arch(CHIP), load_trace(WORKLOAD), batch=3)
    busy = 0
    threads = unit_tracks(data)
    for events in threads.values():
        ends = [0.0]
        for event in sorted(events, key=lambda e: e["ts"]):
            assert event["ts"] >= ends[-1]
            ends.append(round(event["ts"] + event["dur"], 3))
            if event["cat"] == "work":
                busy += event["args"]["busy_ticks"]
                # a tick is 1 ns, and 1 ms in the file is 1 us of the run
                assert event["dur"] == event["args"]["end_tick"] - event["args"]["start_tick"]
    assert busy == mapped.program.busy_ticks().sum()
    assert max(e["args"]["end_tick"] for es in threads.values() for e in es) == out["ticks"]
    assert data["otherData"]["resolution_ticks"] == 0
    power = [e for e in data["traceEvents"] if e["ph"] == "C" and e["name"] == "power"]
    times = [e["ts"] * 1e-9 for e in power]
    watts = [e["args"]["W"] for e in power]
    assert watts[-1] == 0
    energy = float(np.sum(np.diff(times) * watts[:-1]))
    assert energy == pytest.approx(out["energy_total_j"], rel=1e-6)
    waits = [e for e in data["traceEvents"] if e.get("cat") == "wait"]
    assert any(e["name"].startswith("waits: ") for e in waits)


def run(shell: Shell, *options: str | Path) -> Any:
    status, out, err = shell("run", CHIP, WORKLOAD, "--json", *options)
    assert (status, err) == (0, "")
    return json.loads(out)


def test_a_timeline_does_not_change_the_result(shell: Shell) -> None:
    plain = run(shell)
    for engine in ("fast", "reference"):
        name = shell.folder / f"{engine}.json"
        recorded = run(shell, "--timeline", name, "--engine", engine)
        assert recorded["digest"] == plain["digest"]
        assert recorded["energy_j"] == plain["energy_j"]
    first, second = (
        json.loads((shell.folder / f"{e}.json").read_text()) for e in ("fast", "reference")
    )
    assert first == second


@pytest.mark.parametrize("limit", [100, 100_000])
def test_counters_of_a_transformer_on_a_mesh(limit: int, tmp_path: Path) -> None:
    arch, trace = small_chip(MESH), transformer(8)
    mapped = map_trace(arch, trace, batch=2, chips=None)
    timeline, activity = record(arch, mapped, layer_values(trace, arch), limit=limit)
    assert overlaps(timeline.in_order()) == 0
    units = [not t.process.startswith("operations") for t in timeline.tracks]
    assert len(timeline.slices) <= max(limit, 2 * len(timeline.tracks))
    rows = timeline.slices[np.asarray(units)[timeline.slices[:, TRACK]]]
    assert rows[:, BUSY].sum() == activity.busy.sum()
    result = simulate(arch, trace, batch=2, chips=None)
    totals = {}
    for counter in timeline.counters:
        seconds = np.diff(counter.ticks) * timeline.tick
        totals[counter.name] = float((seconds * counter.values[:-1]).sum())
    assert totals["power"] == pytest.approx(result.energy_total_j, rel=1e-9)
    for path, shares in result.energy_parts_j.items():
        drawn = totals.get(f"power of {path.removeprefix('chip.')}", 0.0)
        assert drawn == pytest.approx(2 * sum(shares.values()), rel=1e-9, abs=1e-30)
    limited = [c for c in timeline.counters if "positions of" in c.name]
    assert limited
    for counter in limited:
        assert 0 < counter.values.max() <= int(counter.name.rsplit(" ", 1)[-1])
        assert counter.values.min() >= 0
    for ending in (".json", ".pftrace"):
        write_timeline(tmp_path / f"run{ending}", timeline)
        assert (tmp_path / f"run{ending}").stat().st_size < 400 * (len(timeline.slices) + 30_000)


def test_operations_work_or_wait_without_a_gap() -> None:
    arch, trace = load_arch(CHIP), load_trace(WORKLOAD)
    mapped = map_trace(arch, trace, batch=3)
    timeline, activity = record(arch, mapped, layer_values(trace, arch))
    for number, info in enumerate(mapped.operations):
        rows = timeline.in_order()
        rows = rows[rows[:, TRACK] == number]
        assert (rows[1:, START] == rows[:-1, END]).all()
        assert rows[-1, END] == activity.finish[info.flows[1]].max()
        assert rows[0, START] <= activity.first_start[info.flows[0]]
        assert rows[0, KIND] == rows[-1, KIND] == WORK


def test_a_task_switch_has_tracks_of_its_own() -> None:
    arch, trace = small_chip({"chip.tile.driver": DRIVER}), load_trace(WORKLOAD)
    mapped = map_trace(arch, trace, rewrites=[Rewrite("first")])
    assert mapped.written.flows
    timeline, activity = record(arch, mapped, layer_values(trace, arch))
    own = [track.name for track in timeline.tracks if track.process.startswith("operations")]
    assert own == ["x", "first", "second", *own[3:]]
    assert "first programming" in own[3:]
    last = max(int(activity.finish[flow].max()) for flow in mapped.written.flows)
    written = timeline.slices[np.isin(timeline.slices[:, TRACK], range(3, len(own)))]
    assert written[:, END].max() == last
    path = critical_path(mapped, activity)
    assert sum(s.time_s for s in path) == pytest.approx(activity.makespan * mapped.tick)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run.txt", "the ending '.txt' is not known here"),
        ("nowhere/run.json", "there is no folder"),
        ("", "the ending '' is not known here"),
    ],
)
def test_bad_places_are_refused_before_the_run(shell: Shell, name: str, words: str) -> None:
    place = f"{shell.folder}/{name}" if name else "timeline"
    assert words in shell.refused("run", CHIP, WORKLOAD, "--timeline", place)


def test_bad_limits(shell: Shell) -> None:
    status, _, err = shell("run", CHIP, WORKLOAD, "--timeline", "x.json", "--timeline-limit", "9")
    assert status == 2
    assert "99" not in err
    arch, trace = load_arch(CHIP), load_trace(WORKLOAD)
    with pytest.raises(InputError, match="the timeline's limit is 9 slices"):
        record(arch, map_trace(arch, trace), layer_values(trace, arch), limit=9)
