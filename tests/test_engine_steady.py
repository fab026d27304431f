"""The steady-state jump: it happens where a state repeats, nowhere else, and changes no result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_programs import long_programs

from archsim.bench.programs import contended, pipelined
from archsim.engine import Engine, run_program, steady
from archsim.engine.activity import Activity
from archsim.engine.deadlock import DeadlockError
from archsim.program import Program, ProgramBuilder


def outcome(program: Program, engine: str = "fast", **options: bool) -> Activity | str:
    try:
        return run_program(program, Engine(engine, **options))
    except DeadlockError:
        return "deadlock"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(long_programs(300))
def test_jumps_are_exact_with_a_checkpoint_at_every_chance(program: Program) -> None:
    """As many checkpoints as possible: jumps begin and end at odd moments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steady, "FREE", 10**9)
        for max_plus in (False, True):
            fast = outcome(program, max_plus=max_plus)
            truth = outcome(program, max_plus=max_plus, steady_state=False)
            if isinstance(fast, str) or isinstance(truth, str):
                assert fast == truth
            else:
                assert fast.same_as(truth)


def both(program: Program) -> tuple[Activity, Activity]:
    """The run with and without the jump; equal, and equal to the reference."""
    jumped = run_program(program, Engine(merge_beats=False))
    full = run_program(program, Engine(merge_beats=False, steady_state=False))
    assert jumped.same_as(full)
    if program.services() < 50_000:
        assert jumped.same_as(run_program(program, "reference"))
    return jumped, full


def test_a_long_contended_program_with_buffers_jumps() -> None:
    jumped, full = both(pipelined(16, 1000))
    assert full.events == pipelined(16, 1000).services()
    assert jumped.events < full.events / 5


def test_a_program_whose_queues_grow_does_not_jump() -> None:
    """All instances are ready at once, so more and more of them are under way."""
    jumped, full = both(contended(8, 400))
    assert jumped.events == full.events


def pipeline(instances: int, *, slope: int = 0, span: int = 0, every: int = 1) -> ProgramBuilder:
    """Two flows on one shared unit, with a buffer of 2 between them."""
    b = ProgramBuilder()
    unit, own = b.resource("unit"), b.resource("own")
    for name in ("producer", "consumer"):
        b.flow(name, instances, round=span, every=every)
        b.lane()
        first = b.stage(own if name == "producer" else unit, 3, slope=slope)
        b.stage(unit, 2, parents=[first])
    b.depend(1, 0)
    b.depend(0, 1, [-2])
    return b


@pytest.mark.parametrize(
    ("options", "jumps"),
    [
        ({}, True),
        ({"slope": 1}, False),  # grows with every instance
        ({"slope": 1, "span": 8}, True),  # in rounds that repeat
        ({"slope": 1, "every": 200}, True),  # constant for 200 instances
        ({"slope": 1, "span": 390}, False),
    ],
)
def test_growth_forbids_a_jump_unless_it_repeats(options: dict[str, int], jumps: bool) -> None:
    jumped, full = both(pipeline(400, **options).build())
    assert (jumped.events < full.events / 2) == jumps


def test_a_flow_that_starts_in_the_middle_ends_the_jump() -> None:
    """The late flow needs instance 200 of the producer and then takes the shared unit."""
    b = pipeline(400)
    late = b.flow("late", 50)
    b.lane()
    b.stage(0, 7)
    b.depend(late, 0, [200], period=50, repeat=50, step=0)
    jumped, full = both(b.build())
    assert jumped.events < full.events / 2
    assert full.first_start[late] > 0


def test_a_window_table_is_checked_over_the_range_of_the_jump() -> None:
    """Alike from instance to instance, but for one step in the middle of the table."""
    b = ProgramBuilder()
    unit = b.resource("unit")
    producer = b.flow("producer", 400)
    b.lane()
    b.stage(unit, 3)
    consumer = b.flow("consumer", 400)
    b.lane()
    b.stage(unit, 2)
    table = np.minimum(np.arange(400) + np.where(np.arange(400) < 230, 0, 3), 399)
    b.depend(consumer, producer, table, period=400, step=400)
    b.depend(producer, consumer, [-6])
    jumped, full = both(b.build())
    assert jumped.events < full.events / 2


def test_waiting_that_grows_from_period_to_period_is_summed() -> None:
    """All 300 instances are ready at 0: instance n waits n * 5 ticks."""
    b = ProgramBuilder()
    b.flow("queue", 300)
    b.lane()
    b.stage(b.resource("unit"), 5)
    program = b.build()
    run = run_program(program, Engine(max_plus=False))
    assert run.wait.tolist() == [5 * 300 * 299 // 2]
    assert run.events < 150
    assert run.same_as(run_program(program, "reference"))


def test_growing_waits_of_a_group_below_the_admission() -> None:
    """A private array in front of a shared bus: the array's requests are all ready at 0."""
    b = ProgramBuilder()
    bus = b.resource("bus")
    for name in ("a", "b"):
        b.flow(name, 300)
        b.lane()
        read = b.stage(b.resource(f"array {name}"), 10, beats=3, hold=True)
        convert = b.stage(b.resource(f"adc {name}"), 4, beats=3, parents=[read])
        b.stage(bus, 2, parents=[convert])
    jumped, full = both(b.build())
    assert jumped.events < full.events / 2


def test_a_solved_flow_may_feed_a_steady_state() -> None:
    """The source's finish times are known beforehand; what follows shares a bus with another."""
    b = ProgramBuilder()
    bus = b.resource("bus")
    source = b.flow("source", 500)
    b.lane()
    b.stage(b.resource("link"), 10)
    sink = b.flow("sink", 500)
    b.lane()
    b.stage(bus, 4)
    other = b.flow("other", 500)
    b.lane()
    b.stage(bus, 3)
    b.depend(sink, source)
    b.depend(other, sink)
    program = b.build()
    jumped, full = both(program)
    assert jumped.events < full.events / 2
    assert len(jumped.finish[source]) == 500


@pytest.mark.parametrize("limit", [10, 1000])
def test_progress_never_goes_back(limit: int) -> None:
    seen: list[int] = []
    program = pipelined(4, limit)
    run_program(program, progress=lambda done, total: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == program.flow_instances.sum()
