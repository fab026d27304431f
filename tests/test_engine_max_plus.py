"""Max-plus: stages that nobody else can delay cost no events, and change no result."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.engine import Engine, run_program
from archsim.engine.activity import Activity
from archsim.engine.deadlock import DeadlockError
from archsim.engine.max_plus import rooted_stages, solved_flows
from archsim.program import Program, ProgramBuilder


def both(program: Program) -> Activity:
    """The run with max-plus alone, equal to the reference's."""
    run = run_program(program, Engine(fold_lock_step=False, merge_beats=False, steady_state=False))
    assert run.same_as(run_program(program, "reference"))
    return run


def layer(b: ProgramBuilder, name: str, instances: int, **options: int) -> int:
    """A flow on an array and an ADC of its own."""
    flow = b.flow(name, instances, **options)
    b.lane()
    read = b.stage(b.resource(f"array {name}"), 10, beats=4, hold=True)
    b.stage(b.resource(f"adc {name}"), 3, beats=8, parents=[read])
    return flow


def test_a_chain_of_flows_needs_no_events() -> None:
    """Finish of instance n of flow k: n * 40 + (k + 1) * (40 + 6), see the closed form."""
    b = ProgramBuilder()
    flows = [layer(b, f"layer{k}", 20) for k in range(5)]
    for parent, child in itertools.pairwise(flows):
        b.depend(child, parent)
    program = b.build()
    run = both(program)
    assert run.events == 0
    for k, finish in enumerate(run.finish):
        assert finish.tolist() == [40 * n + (k + 1) * 46 for n in range(20)]


def test_bounded_buffers_between_private_flows_need_no_events() -> None:
    b = ProgramBuilder()
    fast, slow = layer(b, "fast", 30), b.flow("slow", 30)
    b.lane()
    b.stage(b.resource("slow"), 100)
    b.depend(slow, fast)
    b.depend(fast, slow, [-3])
    run = both(b.build())
    assert run.events == 0
    assert (np.diff(run.finish[slow]) == 100).all()


def test_what_feeds_a_contended_flow_costs_one_event_an_instance() -> None:
    b = ProgramBuilder()
    bus = b.resource("bus")
    source = layer(b, "source", 25)
    for name in ("a", "b"):
        flow = b.flow(name, 25)
        b.lane()
        b.stage(bus, 5)
        b.depend(flow, source)
    assert both(b.build()).events == 25 + 2 * 25


def test_private_stages_before_a_shared_one_cost_one_event_an_instance() -> None:
    """Each instance: the end of the ADC's last beat, and the bus."""
    b = ProgramBuilder()
    bus = b.resource("bus")
    for i, name in enumerate(("a", "b")):
        layer(b, name, 25)
        b.stage(bus, 2, parents=[3 * i + 1])
    assert both(b.build()).events == 2 * 25 * 2


def test_several_lanes_and_growth() -> None:
    b = ProgramBuilder()
    flow = b.flow("decode", 31, round=10, every=2)
    for lane in range(3):
        b.lane()
        first = b.stage(b.resource(f"first{lane}"), 4, slope=3)
        b.stage(b.resource(f"second{lane}"), 50 - lane, slope=-1, parents=[first], beats=2)
    after = layer(b, "after", 31)
    b.depend(after, flow)
    assert both(b.build()).events == 0


@pytest.mark.parametrize(
    ("servers", "service", "beats", "why"),
    [
        (2, 3, 1, "instances may overtake each other"),
        (1, 0, 1, "its end comes in a later round of the tick"),
        (1, 3, 2, "the shared stage sees single beats"),
    ],
)
def test_what_is_left_to_events(servers: int, service: int, beats: int, why: str) -> None:
    b = ProgramBuilder()
    bus = b.resource("bus")
    for name in ("a", "b"):
        b.flow(name, 10)
        b.lane()
        own = b.stage(b.resource(f"own {name}", servers), service, beats=beats)
        b.stage(bus, 2, beats=beats, parents=[own])
    program = b.build()
    assert not rooted_stages(program).any(), why
    assert both(program).events == program.services()


def test_a_flow_below_a_contended_one_is_not_solved_beforehand() -> None:
    b = ProgramBuilder()
    bus = b.resource("bus")
    for name in ("a", "b"):
        b.flow(name, 10)
        b.lane()
        b.stage(bus, 2)
    below = layer(b, "below", 10)
    b.depend(below, 0)
    program = b.build()
    rooted = rooted_stages(program)
    assert rooted.tolist() == [0, 0, 1, 1]
    assert not solved_flows(program, rooted).any()
    assert both(program).events == 2 * 10 + 10


def test_a_deadlock_of_solved_flows_is_named() -> None:
    b = ProgramBuilder()
    one, two = layer(b, "one", 4), layer(b, "two", 2)
    b.depend(two, one, [1], step=2, name="window of 2")
    b.depend(one, two, [-1, 0], period=2, step=1, name="buffer of 1")
    program = b.build()
    texts = []
    for engine in ("fast", "reference"):
        with pytest.raises(DeadlockError) as error:
            run_program(program, engine)
        texts.append(str(error.value))
    assert texts[0] == texts[1]
    assert "window of 2" in texts[0] and "buffer of 1" in texts[0]


def test_overflow_in_a_solved_flow_is_an_error() -> None:
    b = ProgramBuilder()
    b.flow("f", 3)
    b.lane()
    b.stage(b.resource("unit"), 2**61)
    for max_plus in (False, True):
        with pytest.raises(OverflowError, match="longer tick"):
            run_program(b.build(), Engine(max_plus=max_plus))


@st.composite
def chains(draw: st.DrawFn) -> Program:
    """Flows that feed chains with resources of their own, and one that waits for their ends."""
    b = ProgramBuilder()
    shared = b.resource("shared")
    sizes: dict[int, int] = {}
    for index in range(draw(st.integers(1, 2))):
        count = draw(st.integers(1, 4))
        sizes[b.flow(f"feed{index}", count)] = count
        b.lane()
        b.stage(shared, draw(st.integers(1, 5)))
    found: list[tuple[int, int]] = []
    for index in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 12))
        chain = b.flow(f"chain{index}", count, round=draw(st.sampled_from([0, 3])))
        b.lane()
        stages: list[int] = []
        for part in range(draw(st.integers(1, 3))):
            parents = [draw(st.sampled_from(stages))] if stages else []
            resource = b.resource(f"own{index}.{part}")
            stages.append(
                b.stage(
                    resource,
                    draw(st.integers(1, 4)),
                    beats=draw(st.integers(1, 3)),
                    slope=draw(st.sampled_from([0, 0, 1])),
                    hold=draw(st.booleans()),
                    action=draw(st.sampled_from([-1, 0])),
                    count=1,
                    parents=parents,
                )
            )
        distance = draw(st.sampled_from([0, 1, 1, 2]))
        if distance:
            b.depend(chain, chain, [-distance])
        feed = draw(st.sampled_from(sorted(sizes)))
        once = {"period": count, "repeat": count}
        b.depend(chain, feed, [draw(st.integers(0, sizes[feed] - 1))], **once)
        if found and draw(st.booleans()):
            before, last = found[-1]
            need = draw(st.sampled_from([last, last, 0]))
            b.depend(chain, before, [need], **once)
        found.append((chain, count - 1))
    total = draw(st.integers(1, 3))
    watcher = b.flow("watcher", total)
    b.lane()
    b.stage(shared, 1)
    for chain, last in found:
        b.depend(watcher, chain, [last], period=total, repeat=total)
    return b.build()


@settings(max_examples=200, deadline=None)
@given(program=chains())
def test_chains_behind_contended_flows_equal_the_reference(program: Program) -> None:
    both(program)


def test_a_long_chain_costs_one_event() -> None:
    """A thousand loops of two private stages, each waiting for the last: 5 ticks a loop."""
    b = ProgramBuilder()
    shared, array, adc = (b.resource(name) for name in ("shared", "array", "adc"))
    load = b.flow("load", 3)
    b.lane()
    b.stage(shared, 7)
    other = b.flow("other", 3)
    b.lane()
    b.stage(shared, 1)
    loops = b.flow("loops", 1000)
    b.lane()
    b.stage(adc, 3, parents=[b.stage(array, 2)])
    b.depend(loops, loops, [-1])
    b.depend(loops, load, [2], period=1000, repeat=1000)
    activity = both(b.build())
    # all are ready at 0, and load is the first flow: 3 x 7 ticks
    assert activity.finish[loops].tolist() == [21 + 5 * (n + 1) for n in range(1000)]
    assert activity.events == 3 + 3 + 1
    assert activity.finish[other].max() <= 24
