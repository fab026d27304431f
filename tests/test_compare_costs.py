"""Amortisation, break-even points and residency: closed forms against brute force."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_methods_support import hybrid, trace_of
from test_methods_support import linear as record

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.amortise import Costs, Line
from archsim.adaptation.break_even import break_even
from archsim.adaptation.registry import make_method
from archsim.adaptation.residency import lru_misses, residents, written_switches
from archsim.mapping.options import MapOptions
from archsim.trace.model import Trace
from archsim.trace.scenario import Generator, Request, Scenario

COST = st.floats(0, 1e6, allow_subnormal=False)
WHOLE = st.integers(0, 10**6).map(float)


def square(size: int = 128) -> Trace:
    """Two layers of size x size on 4 positions."""
    layers = [
        record("block.query", "x", size, size),
        record("block.value", "block.query", size, size),
    ]
    return trace_of("square", [4, size], layers)


@given(COST, COST, COST, COST, st.integers(1, 10**6), st.integers(1, 1000))
def test_a_scenario_costs_the_sum_of_its_parts(
    inference: float, switch: float, learning: float, once: float, each: int, tasks: int
) -> None:
    costs = Costs(inference, switch, learning, once)
    parts = costs.parts(each * tasks, tasks, tasks)
    assert costs.total(each * tasks, tasks, tasks) == sum(parts.values())
    # With one switch per task the scenario is the line at its inferences per task.
    assert costs.total(each * tasks, tasks, tasks) / (each * tasks) == pytest.approx(
        costs.line(tasks).at(each)
    )


def test_a_scenario_by_hand() -> None:
    costs = Costs(inference=2.0, switch=30.0, learning=5.0, once=100.0)
    assert costs.parts(40, 3, 4) == {
        "inference": 80.0, "switch": 90.0, "learning": 20.0, "once": 100.0,
    }  # fmt: skip
    assert costs.line(4) == Line(2.0, 60.0)
    assert costs.line(4).at(10) == 8.0


@given(WHOLE, WHOLE, WHOLE, WHOLE)
def test_lines_cross_where_they_break_even(a: float, b: float, c: float, d: float) -> None:
    own, other = Line(a, b), Line(c, d)
    found, mirrored = break_even(own, other), break_even(other, own)
    opposite = {"always": "never", "never": "always", "from": "until", "until": "from"}
    if found.answer == "equal":
        assert own == other
        return
    assert mirrored.answer == opposite[found.answer]
    for n in (1e-3, 1.0, 1e3, 1e9):
        assert found.answer != "always" or own.at(n) <= other.at(n)
        assert found.answer != "never" or own.at(n) >= other.at(n)
    if found.inferences_per_task is None:
        return
    at = found.inferences_per_task
    assert at > 0
    assert mirrored.inferences_per_task == at
    assert own.at(at) == pytest.approx(other.at(at), rel=1e-9)
    beyond, before = own.at(at * 2) < other.at(at * 2), own.at(at / 2) < other.at(at / 2)
    assert (beyond, before) == ((True, False) if found.answer == "from" else (False, True))


def brute_force_misses(tasks: list[int], capacity: int) -> int:
    """A task is resident if it was used more recently than `capacity` others were first reused."""
    missed = 0
    for now, task in enumerate(tasks):
        earlier = [n for n in range(now) if tasks[n] == task]
        since = set(tasks[earlier[-1] + 1 : now]) if earlier else None
        missed += since is None or len(since) >= capacity
    return missed


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 7))
def test_least_recently_used_tasks_give_way(tasks: list[int], capacity: int) -> None:
    assert lru_misses(tasks, capacity) == brute_force_misses(tasks, capacity)
    assert lru_misses(tasks, capacity + 1) <= lru_misses(tasks, capacity)


@given(
    st.integers(1, 6), st.integers(1, 5), st.sampled_from(["sequence", "round_robin", "random"]),
    st.integers(1, 7),
)  # fmt: skip
def test_written_switches_are_those_of_the_replay(
    tasks: int, each: int, order: str, capacity: int
) -> None:
    rule = Generator.model_validate({"tasks": tasks, "inferences_per_task": each, "order": order})
    scenario = Scenario("s", square(8), Path(), rule)
    replay = [request.task for request in scenario.requests()]
    assert written_switches(scenario, capacity) == lru_misses(replay, capacity)


def test_a_list_of_requests_is_replayed() -> None:
    requests = tuple(Request(0.0, task, 1) for task in "abacab")
    scenario = Scenario("s", square(8), Path(), requests)
    assert [written_switches(scenario, held) for held in (1, 2, 3)] == [6, 4, 3]


@pytest.mark.parametrize(("rank", "held"), [(4, 8), (8, 4), (16, 2)])
def test_a_branch_holds_as_many_tasks_as_fit_its_memory(rank: int, held: int) -> None:
    # Both layers stand on one tile: 2 x rank x (128 + 128) bytes per task in 16 KB.
    method = make_method("halora", {"rank": rank, "modules": ["query", "value"]})
    adapted = method.adapt(square(), hybrid())
    assert adapted.stored_bits == 8 * 2 * rank * 256
    assert residents(hybrid(), adapted, MapOptions(replicate=False)) == held


def test_a_mask_memory_holds_as_many_tasks_as_it_has_bits_for() -> None:
    # 1024 entries of 4 bits beside each PE; each layer has 128 columns of weights in one PE.
    for kind, bits in (("xbm", 1), ("xma", 2)):
        adapted = make_method(kind).adapt(square(), hybrid())
        assert adapted.stored_bits == 2 * 128 * bits
        assert residents(hybrid(), adapted, MapOptions(replicate=False)) == 1024 * 4 // (128 * bits)


def test_spare_arrays_hold_further_tasks() -> None:
    chip = hybrid()
    adapted = make_method("full").adapt(square(), chip)
    total = chip.chip.tile.count * chip.chip.tile.pe.count
    held = residents(chip, adapted, MapOptions(replicate=False))
    assert held == total // 2  # each layer is in one PE, and all PEs suffice for so many models


def test_nothing_written_leaves_any_number_of_tasks() -> None:
    assert residents(hybrid(), Adapted(square(), (), 0, 0, frozenset())) == float("inf")
