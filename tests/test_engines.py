"""Both engines keep the contract: equal on random Programs, and right on hand-worked ones."""

from __future__ import annotations

import itertools
import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_programs import long_programs, programs

from archsim.bench.programs import contended
from archsim.engine import SHORTCUTS, Engine, cache, fast, run_program
from archsim.engine.activity import Activity, admission
from archsim.engine.deadlock import DeadlockError
from archsim.engine.fold import fold as fold_program
from archsim.program import Program, ProgramBuilder, ProgramError


def outcome(program: Program, engine: str, **options: bool) -> Activity | str:
    try:
        return run_program(program, Engine(engine, **options))
    except DeadlockError as error:
        assert error.cycle
        return "deadlock"


def all_settings_agree(program: Program) -> None:
    """Every combination of the four switches gives what the reference gives."""
    truth = outcome(program, "reference")
    for values in itertools.product((False, True), repeat=len(SHORTCUTS)):
        fast = outcome(program, "fast", **dict(zip(SHORTCUTS, values, strict=True)))
        if isinstance(truth, str) or isinstance(fast, str):
            assert truth == fast
        else:
            assert fast.same_as(truth)


@settings(max_examples=350, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_engines_agree_on_random_programs(program: Program) -> None:
    all_settings_agree(program)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(long_programs())
def test_engines_agree_on_long_programs(program: Program) -> None:
    all_settings_agree(program)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_conservation(program: Program) -> None:
    """Services, busy time and counts follow from the Program alone; nothing runs too early."""
    run = outcome(program, "reference")
    if isinstance(run, str):
        return
    assert run.events == program.services()
    assert np.array_equal(run.busy, program.busy_ticks())
    assert np.array_equal(run.counts, program.action_counts())
    assert (run.busy <= run.makespan * program.resource_servers).all()
    for flow in range(program.flows):
        ready, _ = admission(program, run.finish, flow)
        assert (run.finish[flow] >= ready).all()
        assert run.first_start[flow] >= ready[0]


def both(builder: ProgramBuilder) -> Activity:
    program = builder.build()
    truth, fast = run_program(program, "reference"), run_program(program, "fast")
    assert fast.same_as(truth)
    return fast


def test_one_vector_through_array_and_adc() -> None:
    """8 bits of 100 ticks, an ADC of 128 ticks a bit: 100 + 8 * 128, then the bus's 5."""
    b = ProgramBuilder()
    array, adc, bus = b.resource("array"), b.resource("adc"), b.resource("bus")
    b.flow("vector", 1)
    b.lane()
    read = b.stage(array, 100, beats=8, hold=True)
    convert = b.stage(adc, 128, beats=8, parents=[read])
    b.stage(bus, 5, parents=[convert])
    assert both(b).makespan == 100 + 8 * 128 + 5


def test_steady_state_interval_is_the_slowest_stage() -> None:
    b = ProgramBuilder()
    servers = [b.resource(name) for name in ("a", "b", "c")]
    b.flow("pipeline", 50)
    b.lane()
    previous: list[int] = []
    for resource, service in zip(servers, (7, 13, 11), strict=True):
        previous = [b.stage(resource, service, parents=previous)]
    finish = both(b).finish[0]
    assert finish[0] == 7 + 13 + 11
    assert (np.diff(finish) == 13).all()


def test_sharing_one_adc_doubles_the_time_of_an_adc_bound_layer() -> None:
    def run(adcs: int) -> int:
        b = ProgramBuilder()
        arrays = [b.resource(f"array{i}") for i in range(2)]
        converters = [b.resource(f"adc{i}") for i in range(adcs)]
        b.flow("layer", 40)
        b.lane()
        for i, array in enumerate(arrays):
            read = b.stage(array, 1, beats=4, hold=True)
            b.stage(converters[i % adcs], 20, beats=4, parents=[read])
        return both(b).makespan

    assert run(2) == 1 + 40 * 4 * 20
    assert run(1) == 1 + 2 * (40 * 4 * 20)


def test_fan_out_and_back() -> None:
    """8 bits fan out to 8 x 4 conversions and back to one result."""
    b = ProgramBuilder()
    array, adc, register = b.resource("array"), b.resource("adc"), b.resource("register")
    b.flow("vector", 1)
    b.lane()
    read = b.stage(array, 10, beats=8, hold=True)
    convert = b.stage(adc, 3, beats=32, parents=[read])
    b.stage(register, 1, parents=[convert])
    assert both(b).makespan == 10 + 8 * 4 * 3 + 1


def test_holding_server_stays_taken_while_it_waits() -> None:
    """The holder waits for its slow parent between beats; the other flow gets no server."""
    b = ProgramBuilder()
    slow, shared = b.resource("slow"), b.resource("shared")
    b.flow("holder", 1)
    b.lane()
    parent = b.stage(slow, 10, beats=2)
    b.stage(shared, 1, beats=2, hold=True, parents=[parent])
    b.flow("other", 1)
    b.lane()
    late = b.stage(b.resource("timer"), 11)
    b.stage(shared, 1, parents=[late])
    run = both(b)
    assert run.finish[0][0] == 21
    assert run.finish[1][0] == 22


def test_queue_order_is_ready_time_then_flow() -> None:
    b = ProgramBuilder()
    shared = b.resource("shared")
    for name in ("first", "second"):
        b.flow(name, 2)
        b.lane()
        b.stage(shared, 5)
    run = both(b)
    assert run.finish[0].tolist() == [5, 10]
    assert run.finish[1].tolist() == [15, 20]


def test_credit_gives_back_pressure() -> None:
    """A buffer of 2 in front of a consumer of 10 ticks holds a producer of 1 tick back."""
    b = ProgramBuilder()
    fast, slow = b.resource("fast"), b.resource("slow")
    producer = b.flow("producer", 6)
    b.lane()
    b.stage(fast, 1)
    consumer = b.flow("consumer", 6)
    b.lane()
    b.stage(slow, 10)
    b.depend(consumer, producer)
    b.depend(producer, consumer, [-2], name="buffer of 2")
    run = both(b)
    assert run.finish[0].tolist() == [1, 2, 12, 22, 32, 42]
    assert run.finish[1].tolist() == [11, 21, 31, 41, 51, 61]


def test_service_grows_with_the_instance() -> None:
    b = ProgramBuilder()
    b.flow("decode", 4)
    unit = b.resource("unit")
    b.lane()
    b.stage(unit, 5, slope=2)
    assert both(b).finish[0].tolist() == [5, 12, 21, 32]


def test_growth_starts_again_with_the_next_round() -> None:
    """Two sequences share a position (every 2), three positions make a round: 5, 5, 7, 7, 9, 9."""
    b = ProgramBuilder()
    flow = b.flow("decode", 8, round=6, every=2)
    unit = b.resource("unit")
    b.lane()
    b.stage(unit, 5, slope=2)
    program = b.build()
    assert np.diff(both(b).finish[0], prepend=0).tolist() == [5, 5, 7, 7, 9, 9, 5, 5]
    assert program.growth(flow, np.arange(8)).tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    assert [ends.tolist() for ends in program.service_range()] == [[5], [9]]
    assert program.stage_busy().tolist() == [52]


def test_growth_of_several_lanes_is_summed_over_the_instances_of_each() -> None:
    b = ProgramBuilder()
    b.flow("decode", 7, round=3)
    for i in range(2):
        b.lane()
        b.stage(b.resource(f"unit{i}"), 10, slope=-1, beats=2)
    # growth 0 1 2 0 1 2 0; lane 0 has instances 0 2 4 6, lane 1 has 1 3 5
    assert both(b).busy.tolist() == [2 * (40 - 3), 2 * (30 - 3)]


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_deadlock_names_the_cycle(engine: str) -> None:
    b = ProgramBuilder()
    shared = b.resource("r")
    producer = b.flow("conv1", 4)
    b.lane()
    b.stage(shared, 1)
    consumer = b.flow("pool1", 1)
    b.lane()
    b.stage(shared, 1)
    b.depend(consumer, producer, [3], name="window of 4")
    b.depend(producer, consumer, [-1], period=4, repeat=4, step=1, name="spare")
    b.depend(producer, consumer, [-1, -1, 0, 0], period=4, step=1, name="buffer of 2")
    with pytest.raises(DeadlockError) as error:
        run_program(b.build(), engine)
    text = str(error.value)
    assert "conv1" in text and "pool1" in text
    assert "buffer of 2" in text and "window of 4" in text


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_held_servers_can_deadlock_and_are_named(engine: str) -> None:
    """Each flow holds the server on which the other's next beat has to run."""
    b = ProgramBuilder()
    left, right = b.resource("left"), b.resource("right")
    for name, mine, theirs in (("one", left, right), ("two", right, left)):
        b.flow(name, 1)
        b.lane()
        slow = b.stage(b.resource(f"slow {name}"), 10, beats=2)
        feeder = b.stage(theirs, 1, beats=2, parents=[slow])
        b.stage(mine, 1, beats=2, hold=True, parents=[feeder])
    with pytest.raises(DeadlockError) as error:
        run_program(b.build(), engine)
    assert "one: waits for resource right, held by two" in str(error.value)
    assert "two: waits for resource left, held by one" in str(error.value)


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_overflow_is_an_error(engine: str) -> None:
    b = ProgramBuilder()
    unit = b.resource("unit")
    b.flow("f", 3)
    b.lane()
    b.stage(unit, 2**61)
    with pytest.raises(OverflowError, match="longer tick"):
        run_program(b.build(), engine)


def test_fold_keeps_one_of_many_lock_step_arrays() -> None:
    b = ProgramBuilder()
    bus = b.resource("bus")
    b.flow("layer", 3)
    b.lane()
    fetch = b.stage(bus, 2)
    ends = []
    for i in range(64):
        read = b.stage(b.resource(f"array{i}"), 10, beats=8, hold=True, parents=[fetch])
        ends.append(b.stage(b.resource(f"adc{i}"), 10, beats=8, parents=[read]))
    b.stage(bus, 2, parents=ends)
    program = b.build()
    smaller, twin = fold_program(program)
    assert smaller.stages == 4
    assert set(twin.tolist()) == {0, 1, 2, 3}
    assert both(b).same_as(run_program(program, Engine(fold_lock_step=False)))


def test_program_refuses_nonsense() -> None:
    b = ProgramBuilder()
    unit = b.resource("unit")
    with pytest.raises(ProgramError, match="at least one server"):
        b.resource("none", 0)
    with pytest.raises(ProgramError, match="at least one instance"):
        b.flow("none", 0)
    with pytest.raises(ProgramError, match="round of -1"):
        b.flow("none", 1, round=-1)
    with pytest.raises(ProgramError, match="every 0"):
        b.flow("none", 1, every=0)
    flow = b.flow("f", 3)
    b.lane()
    with pytest.raises(ProgramError, match="beats"):
        b.stage(unit, 1, beats=0)
    with pytest.raises(ProgramError, match="negative service"):
        b.stage(unit, 1, slope=-1)
    b.stage(unit, 1)
    with pytest.raises(ProgramError, match="must not decrease"):
        b.depend(flow, flow, [1, 0], period=2, step=2)
    b.depend(flow, flow, [5], name="too far")
    with pytest.raises(ProgramError, match="needs instance 7"):
        b.build()


def test_compiled_code_is_kept_somewhere_even_without_a_writable_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "_writable", lambda folder: False)
    cache.prepare_cache()
    assert "archsim-" in os.environ["NUMBA_CACHE_DIR"]
    monkeypatch.delenv("NUMBA_CACHE_DIR")


def test_a_tick_that_needs_more_memory_than_the_slack_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """200 flows put a request each into one queue in the same tick."""
    b = ProgramBuilder()
    shared = b.resource("shared")
    start = b.flow("start", 1)
    b.lane()
    b.stage(b.resource("timer"), 1)
    for i in range(200):
        flow = b.flow(f"f{i}", 2)
        b.lane()
        b.stage(shared, 1, beats=3)
        b.depend(flow, start, [0], period=2, repeat=2, step=0)
    program = b.build()
    monkeypatch.setattr(fast, "FIRST_SLACK", 16)
    assert run_program(program, "fast").same_as(run_program(program, "reference"))


def test_overflow_inside_a_merged_group_is_an_error() -> None:
    b = ProgramBuilder()
    b.flow("f", 1)
    b.lane()
    head = b.stage(b.resource("head"), 1)
    inner = b.stage(b.resource("inner"), 2**62, beats=4, parents=[head])
    b.stage(b.resource("tail"), 1, parents=[inner])
    program = b.build()
    for engine in ("reference", "fast"):
        with pytest.raises(OverflowError, match="longer tick"):
            run_program(program, engine)


@pytest.mark.parametrize("delay", [0.01, 0.05, 0.2])
def test_ctrl_c_stops_a_run_between_two_calls(delay: float) -> None:
    """KeyboardInterrupt leaves a long run, the handler is put back, and the next run is whole."""
    small, program = contended(4, 2), contended(32, 20_000)
    run_program(small)  # compiled code is loaded
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_program(program, Engine(steady_state=False))
    assert signal.getsignal(signal.SIGINT) is before
    assert run_program(small).same_as(run_program(small, "reference"))
