"""Scenarios: the requests they list or generate, and what is refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_support import ROOT, SMALL_WORKLOAD, Shell, line_of, shell

from archsim.errors import InputError
from archsim.trace.scenario import Generator, Request, Scenario, load_scenario

__all__ = ["shell"]
LISTED = """\
archsim_scenario: 1
name: listed
trace: small.yaml
requests:
  - {arrival: 0 s, task: a, inferences: 10}
  - {arrival: 1 ms, task: b}
  - {arrival: 1 ms, task: b, inferences: 3}
  - {arrival: 0.5 s, task: a}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "small.yaml").write_text(SMALL_WORKLOAD)
    path = folder / "s.yaml"
    path.write_text(text)
    return path


def generated(folder: Path, **rule: Any) -> Scenario:
    head = LISTED[: LISTED.index("requests")]
    return load_scenario(write(folder, head + yaml.safe_dump({"generator": rule})))


def test_listed_requests(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, LISTED))
    assert scenario.trace.name == "small"
    assert list(scenario.requests()) == [
        Request(0.0, "a", 10),
        Request(1e-3, "b", 1),
        Request(1e-3, "b", 3),
        Request(0.5, "a", 1),
    ]
    assert (scenario.count(), scenario.inferences(), scenario.switches()) == (4, 15, 2)
    assert scenario.tasks() == ["a", "b"]


def test_rules_by_hand(tmp_path: Path) -> None:
    rule: dict[str, Any] = {"tasks": 2, "inferences_per_task": 4, "inferences_per_request": 2}
    names = [r.task for r in generated(tmp_path, **rule).requests()]
    assert names == ["task0", "task0", "task1", "task1"]
    turns = generated(tmp_path, **rule, order="round_robin", arrivals={"every": "125 ms"})
    assert [(r.task, r.arrival, r.inferences) for r in turns.requests()] == [
        ("task0", 0.0, 2), ("task1", 0.125, 2), ("task0", 0.25, 2), ("task1", 0.375, 2),
    ]  # fmt: skip
    assert (turns.count(), turns.inferences(), turns.switches()) == (4, 8, 3)


@given(
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(["sequence", "round_robin", "random"]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_what_holds_for_every_rule(
    tasks: int, requests: int, size: int, order: Any, seed: int
) -> None:
    rule = Generator(
        tasks=tasks,
        inferences_per_task=requests * size,
        inferences_per_request=size,
        order=order,
        seed=seed,
        arrivals={"poisson": "1 kHz"},  # type: ignore[arg-type]
    )
    scenario = Scenario("s", None, Path("t"), rule)  # type: ignore[arg-type]
    found = list(scenario.requests())
    assert found == list(scenario.requests())  # the same every time
    assert Counter(r.task for r in found) == dict.fromkeys(scenario.tasks(), requests)
    assert len(found) == scenario.count()
    assert sum(r.inferences for r in found) == scenario.inferences() == tasks * requests * size
    assert sum(a.task != b.task for a, b in pairwise(found)) == scenario.switches()
    assert all(0 < a.arrival <= b.arrival for a, b in pairwise(found))


def test_a_shuffle_is_uniform_and_gaps_have_the_rate(tmp_path: Path) -> None:
    rule: dict[str, Any] = {"tasks": 2, "inferences_per_task": 1, "order": "random"}
    first = Counter(
        next(generated(tmp_path, **rule, seed=seed).requests()).task for seed in range(400)
    )
    assert abs(first["task0"] - 200) < 5 * math.sqrt(100)  # five standard deviations
    many = generated(tmp_path, tasks=1, inferences_per_task=20000, arrivals={"poisson": "50 Hz"})
    last = max(r.arrival for r in many.requests())
    assert last == pytest.approx(400, abs=5 * math.sqrt(20000) / 50)
    other = generated(
        tmp_path, tasks=1, inferences_per_task=20000, arrivals={"poisson": "50 Hz"}, seed=1
    )
    assert next(other.requests()) != next(many.requests())


def test_nothing_is_built_unasked(tmp_path: Path) -> None:
    huge = generated(tmp_path, tasks=1000, inferences_per_task=10**12, order="round_robin")
    assert (huge.inferences(), huge.switches()) == (10**15, 10**15 - 1)
    assert [r.task for r in islice(huge.requests(), 3)] == ["task0", "task1", "task2"]


@pytest.mark.parametrize(
    ("before", "after", "words", "at"),
    [
        ("arrival: 0 s", "arrival: -1 s", "less than 0", "-1 s"),
        ("arrival: 0.5 s", "arrival: 0.5 ms", "before the one above it", "0.5 ms"),
        ("arrival: 0 s", "arrival: 0", "no unit", "arrival: 0,"),
        ("inferences: 10", "inferences: 0", "inferences", "inferences: 0"),
        ("trace: small.yaml", "trace: smal.yaml", "no trace 'smal.yaml'", "smal.yaml"),
        ("archsim_scenario: 1", "archsim_scenario: 2", "newer archsim", "archsim_scenario"),
        ("requests:", "generator: {tasks: 1, inferences_per_task: 1}\nrequests:", "both", "gener"),
        ("task: a", "tusk: a", "tusk", "tusk"),
    ],
)
def test_listed_refused(tmp_path: Path, before: str, after: str, words: str, at: str) -> None:
    text = LISTED.replace(before, after, 1)
    assert text != LISTED
    path = write(tmp_path, text)
    with pytest.raises(InputError) as fault:
        load_scenario(path)
    assert words in str(fault.value)
    assert f"{path}:{line_of(text, at)}" in str(fault.value)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"tasks": 0, "inferences_per_task": 1}, "tasks"),
        ({"tasks": 1, "inferences_per_task": 0}, "inferences_per_task"),
        ({"tasks": 1, "inferences_per_task": 5, "inferences_per_request": 2}, "divisor"),
        ({"tasks": 1, "inferences_per_task": 1, "order": "roundrobin"}, "round_robin"),
        ({"tasks": 1, "inferences_per_task": 1, "arrivals": {"every": "0 s"}}, "more than 0"),
        ({"tasks": 1, "inferences_per_task": 1, "arrivals": {"poisson": "5 s"}}, "frequency"),
        ({"tasks": 1, "inferences_per_task": 1, "arrivals": "later"}, "all_at_once"),
    ],
)
def test_rules_refused(tmp_path: Path, rule: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        generated(tmp_path, **rule)


def test_neither_requests_nor_a_generator(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither requests nor a generator"):
        load_scenario(write(tmp_path, LISTED[: LISTED.index("requests")]))


def test_an_empty_list_and_a_broken_trace(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="requests"):
        load_scenario(write(tmp_path, LISTED[: LISTED.index("requests")] + "requests: []\n"))
    path = write(tmp_path, LISTED)
    (tmp_path / "small.yaml").write_text(SMALL_WORKLOAD.replace("conv2d", "conv2e"))
    with pytest.raises(InputError, match="conv2e") as fault:
        load_scenario(path)
    assert "small.yaml" in str(fault.value)


def test_the_committed_scenario() -> None:
    scenario = load_scenario(ROOT / "workloads" / "eight_tasks.scenario.yaml")
    assert scenario.trace.name == "minilm_l6"
    assert (len(scenario.tasks()), scenario.inferences(), scenario.switches()) == (8, 80_000, 7)


def test_shown(shell: Shell) -> None:
    path = shell.file("s.yaml", LISTED)
    status, out, err = shell("trace", "show", path, "--layers", "2")
    assert (status, err) == (0, "")
    assert "task changes  2" in out
    assert "2 more follow." in out
    found = json.loads(shell("trace", "show", path, "--json").out)
    assert found["inferences"] == 15
    assert [r["arrival_s"] for r in found["requests"]] == [0, 1e-3, 1e-3, 0.5]
    schema = json.loads(shell("schema", "scenario").out)
    assert {"name", "trace"} <= set(schema["required"])
