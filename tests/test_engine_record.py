"""The service log: the same from both engines, and nothing that the contract forbids in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_programs import programs

from archsim.bench.programs import contended
from archsim.engine import fast, record, run_program
from archsim.engine.activity import Activity
from archsim.engine.deadlock import DeadlockError
from archsim.engine.record import run_recorded
from archsim.program import Ints, Program, ProgramBuilder


def recorded(program: Program, engine: str) -> tuple[Activity | None, Ints]:
    """The Activity, None for a deadlock, and all rows."""
    parts: list[Ints] = [np.zeros((0, 4), np.int64)]
    try:
        activity = run_recorded(program, parts.append, engine=engine)
    except DeadlockError:
        return None, np.concatenate(parts)
    return activity, np.concatenate(parts)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_the_log_is_the_same_and_keeps_the_contract(program: Program) -> None:
    truth, slow = recorded(program, "reference")
    activity, rows = recorded(program, "fast")
    assert np.array_equal(rows, slow)
    assert (np.diff(rows[:, 2]) >= 0).all()
    if activity is None or truth is None:
        assert activity is truth
        return
    assert activity.same_as(truth)
    assert len(rows) == program.services()
    stage, instance, start, end = rows.T
    busy = np.zeros(program.resources, np.int64)
    resource = program.stage_resource[stage]
    np.add.at(busy, resource, end - start)
    assert np.array_equal(busy, activity.busy)
    for server in range(program.resources):
        assert most_at_once(rows[resource == server]) <= program.resource_servers[server]
    flow = program.stage_flow()[stage]
    for f in range(program.flows):
        last = np.full(program.flow_instances[f], -1, np.int64)
        np.maximum.at(last, instance[flow == f], end[flow == f])
        assert np.array_equal(last, activity.finish[f])


def most_at_once(rows: Ints) -> int:
    """The most services that run at the same time; one of zero ticks takes none."""
    times = np.concatenate([rows[:, 2], rows[:, 3]])
    change = np.repeat([1, -1], len(rows))
    order = np.lexsort((change, times))  # at one tick, ends come first
    return int(np.cumsum(change[order]).max(initial=0))


def test_a_worked_example() -> None:
    b = ProgramBuilder()
    array, adc = b.resource("array"), b.resource("adc")
    b.flow("layer", 2)
    b.lane()
    read = b.stage(array, 10, beats=2, hold=True)
    b.stage(adc, 12, beats=2, parents=[read])
    _, rows = recorded(b.build(), "fast")
    assert rows.tolist() == [
        [0, 0, 0, 10],
        [0, 0, 10, 20],
        [1, 0, 10, 22],
        [0, 1, 20, 30],
        [1, 0, 22, 34],
        [0, 1, 30, 40],
        [1, 1, 34, 46],
        [1, 1, 46, 58],
    ]


def test_the_log_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    program = contended(4, 20)
    _, whole = recorded(program, "fast")
    monkeypatch.setattr(record, "ROWS", 100)
    for engine in ("fast", "reference"):
        parts: list[Ints] = []
        run_recorded(program, parts.append, engine=engine)
        assert len(parts) > 10
        assert np.array_equal(np.concatenate(parts), whole)


def test_starting_again_with_more_memory_hands_on_no_row_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After 50 single services, one tick starts 300 that the log has no room for."""
    b = ProgramBuilder()
    start = b.flow("start", 50)
    b.lane()
    b.stage(b.resource("timer"), 1)
    many = b.resource("many", 300)
    flow = b.flow("burst", 300)
    b.lane()
    b.stage(many, 1)
    b.depend(flow, start, [49], period=300, repeat=300, step=0)
    monkeypatch.setattr(record, "ROWS", 10)
    monkeypatch.setattr(fast, "FIRST_SLACK", 64)
    activity, rows = recorded(b.build(), "fast")
    assert activity is not None
    assert len(rows) == 350
    assert len(np.unique(rows, axis=0)) == 350


def test_unknown_engine() -> None:
    with pytest.raises(ValueError, match="not one of fast, reference"):
        run_recorded(contended(1, 1), lambda rows: None, engine="slow")


def test_recording_leaves_the_result_as_it_is() -> None:
    program = contended(8, 10)
    activity, _ = recorded(program, "fast")
    assert activity is not None
    assert activity.same_as(run_program(program))
