"""Buffers: no graph of layers deadlocks with the least ones, and they are no larger than needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_cli_support import ROOT as PROJECT
from test_teaching import MESH, conv, layers, linear, small_chip

from archsim.arch.load import load_arch
from archsim.engine import run_program
from archsim.engine.deadlock import DeadlockError
from archsim.mapping import plan
from archsim.mapping.buffers import ROOT, credit_table, immediate_dominators, least_buffers
from archsim.mapping.graph import Feed, Operation, operations
from archsim.mapping.lower import Mapped, map_trace
from archsim.trace.load import load_trace
from archsim.trace.model import Trace
from archsim.trace.window import Reach, everything, one_to_one, sliding_window

CHIP = small_chip({**MESH, "chip.tile.count": 16})
Shape = tuple[int, ...]


def lean(trace: Trace, **options: Any) -> Mapped:
    """Map with the least buffers, and nothing for comfort."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "COMFORT", (0.0, 0.0))
        return map_trace(CHIP, trace, chips=None, **options)


class Grower:
    """Grows a random graph of layers over the tensors that it has so far."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.records: list[dict[str, Any]] = []
        self.shapes: dict[str, Shape] = {}
        self.inputs: list[dict[str, Any]] = []

    def add(self, shape: Shape, /, **record: Any) -> None:
        name = f"{record['op']}{len(self.records)}"
        self.records.append({"name": name, **record})
        self.shapes[name] = shape

    def source(self) -> None:
        shape = (self.draw(st.integers(1, 6)), self.draw(st.integers(1, 6)), 4)
        self.shapes[f"x{len(self.inputs)}"] = shape
        self.inputs.append({"name": f"x{len(self.inputs)}", "shape": list(shape)})

    def grow(self) -> None:
        """One more layer; recent tensors are taken more often than old ones."""
        names = list(self.shapes)
        name = self.draw(st.sampled_from(names[-3:]) | st.sampled_from(names))
        height, width, depth = self.shapes[name]
        kind = self.draw(st.sampled_from(["window", "window", "window", "join", "join", "other"]))
        if kind == "window":
            self.window(name, height, width, depth)
        elif kind == "join":
            self.join(name)
        else:
            self.other(name, height, width, depth)

    def window(self, name: str, height: int, width: int, depth: int) -> None:
        draw = self.draw
        kernel = [draw(st.integers(1, min(3, n))) for n in (height, width)]
        stride = [draw(st.integers(1, 2)) for _ in range(2)]
        pad = [draw(st.integers(0, k // 2)) for k in kernel]
        size = [
            (n + 2 * p - k) // s + 1
            for n, k, s, p in zip((height, width), kernel, stride, pad, strict=True)
        ]
        common = {"inputs": [name], "kernel": kernel, "stride": stride, "padding": pad * 2}
        if draw(st.booleans()):
            groups = draw(st.sampled_from([1, 1, depth]))
            out = depth if groups > 1 else 4
            channels = {"in_channels": depth, "out_channels": out, "groups": groups}
            self.add((*size, out), op="conv2d", **common, **channels)
        else:
            function = draw(st.sampled_from(["max", "avg"]))
            self.add((*size, depth), op="pool", function=function, **common)

    def join(self, name: str) -> None:
        """Two tensors of one shape, or one that is broadcast over the other."""
        shape = self.shapes[name]
        fitting = [
            n for n, s in self.shapes.items() if s == shape or (s[:2] == (1, 1) and s[2] == 4)
        ]
        other = self.draw(st.sampled_from(fitting))
        if shape[2] != self.shapes[other][2]:
            return
        inputs = self.draw(st.permutations([name, other]))
        self.add(shape, op="elementwise", function="add", inputs=inputs)

    def other(self, name: str, height: int, width: int, depth: int) -> None:
        kinds = ["relu", "softmax", "norm", "product", "product", "resize", "flip", "slice"]
        kind = self.draw(st.sampled_from(kinds))
        shape = (height, width, depth)
        if kind == "relu":
            self.add(shape, op="activation", function="relu", inputs=[name])
        elif kind == "softmax":
            self.add(shape, op="softmax", inputs=[name])
        elif kind == "norm":
            self.add(shape, op="norm", inputs=[name])
        elif kind == "resize":
            self.add((2, 3, 4), op="move", function="resize", shape=[2, 3, 4], inputs=[name])
        elif kind == "flip":
            self.add(shape, op="move", function="transpose", shape=list(shape), inputs=[name])
        elif kind == "slice":
            start = self.draw(st.integers(0, height * width - 1))
            size = [1, self.draw(st.integers(1, height * width - start)), depth]
            move = {"function": "slice", "start": start, "shape": size}
            self.add(tuple(size), op="move", inputs=[name], **move)
        else:  # rows of one tensor against all positions of another
            partner = self.draw(
                st.sampled_from([n for n, s in self.shapes.items() if s[2] == depth])
            )
            n = self.shapes[partner][0] * self.shapes[partner][1]
            causal = height * width <= n and self.draw(st.booleans())
            record = {"inputs": [name, partner], "k": depth, "n": n, "causal": causal}
            self.add((height, width, n), op="matmul", transposed=True, **record)


@st.composite
def graphs(draw: st.DrawFn) -> Trace:
    """Convolutions, pools, joins, barriers, forks with several branches, up to three inputs."""
    grower = Grower(draw)
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        grower.source()
    for _ in range(draw(st.integers(2, 12))):
        grower.grow()
    used = {name for record in grower.records for name in record["inputs"]}
    for source in grower.inputs:
        if source["name"] not in used:
            shape = grower.shapes[source["name"]]
            grower.add(shape, op="activation", function="relu", inputs=[source["name"]])
    trace = layers([1, 1], *grower.records, bits=8)
    data = {**trace.model_dump(exclude_none=True), "inputs": grower.inputs}
    return Trace.model_validate(data)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(), st.integers(1, 3), st.booleans())
def test_no_graph_deadlocks_with_the_least_buffers(
    trace: Trace, batch: int, replicate: bool
) -> None:
    mapped = lean(trace, batch=batch, replicate=replicate)
    activity = run_program(mapped.program)
    assert all((times > 0).all() for times in activity.finish)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_the_schedule_that_the_least_buffers_promise(trace: Trace) -> None:
    """Position by position: what is in each buffer never exceeds it (brute force).

    A position is in a buffer from the moment that its producer starts it until no instance of the
    consumer that has still to run needs it. The schedule takes any instance that may run, the
    earliest operation last, as far as buffers allow; it must get to the end.
    """
    ops = operations(trace)
    least = least_buffers(ops)
    done = [0] * len(ops)

    def inputs_there(at: int) -> bool:
        return all(f.reach.last[done[at]] < done[f.producer] for f in ops[at].feeds)

    def room_behind(at: int) -> bool:
        for operation in ops:
            for feed in operation.feeds:
                if feed.producer != at:
                    continue
                n = done[operation.index]
                if n == operation.positions:
                    continue
                if done[at] - int(feed.reach.first[n]) >= least[operation.index, feed.which]:
                    return False
        return True

    while True:
        ready = [
            at
            for at in reversed(range(len(ops)))
            if done[at] < ops[at].positions and inputs_there(at) and room_behind(at)
        ]
        if not ready:
            break
        done[ready[0]] += 1
    assert done == [operation.positions for operation in ops]


def skip_connection() -> Trace:
    """x -> conv 3 x 3 -> conv 3 x 3 -> add, and x -> relu -> add."""
    records = [
        conv(4, 4, name="stem"),
        conv(4, 4, name="a", inputs=["stem"]),
        conv(4, 4, name="b", inputs=["a"]),
        {"name": "add", "op": "elementwise", "function": "add", "inputs": ["b", "stem"]},
    ]
    return layers([6, 6, 4], *records, bits=8)


def least_of_skip(trace: Trace, name: str = "add", which: int = 1) -> tuple[int, tuple[int, int]]:
    ops = operations(trace)
    (join,) = [o for o in ops if o.name == name]
    key = join.index, which
    return least_buffers(ops)[key], key


def test_skip_connection_by_hand() -> None:
    """Position 0 of `add` needs b 0, hence a to (1, 1), hence stem to (2, 2): 2 x 6 + 2 = 14.

    In the steady state position n of the stem is needed n - 14 positions later, at row ends one
    more row of each window counts: the skip holds stem positions n - 14 .. n, 15 of them.
    """
    assert least_of_skip(skip_connection())[0] == 2 * 6 + 2 + 1


@pytest.mark.parametrize("replicate", [True, False])
def test_one_slot_less_deadlocks(replicate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One position less for the skip: the stem stops before the convolutions have enough."""
    trace = skip_connection()
    slots, key = least_of_skip(trace)
    run_program(lean(trace, replicate=replicate).program)
    monkeypatch.setattr(plan, "least_buffers", lambda ops: {**least_buffers(ops), key: slots - 1})
    for engine in ("fast", "reference"):
        with pytest.raises(DeadlockError) as fault:
            run_program(lean(trace, replicate=replicate).program, engine)
        text = str(fault.value)
        assert f"buffer of {slots - 1}" in text
        assert "stem" in text and "add" in text


def test_a_barrier_keeps_the_whole_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Query and key from one tensor: all keys must be there before the first query goes on."""
    records = [
        linear(4, 4, name="q", inputs=["x"]),
        linear(4, 4, name="k", inputs=["x"]),
        {"name": "qk", "op": "matmul", "inputs": ["q", "k"], "k": 4, "n": 10, "transposed": True},
    ]
    trace = layers([10, 4], *records, bits=8)
    assert least_of_skip(trace, "qk", 0)[0] == 10
    slots, key = least_of_skip(trace, "qk", 1)
    assert slots == 10
    run_program(lean(trace).program)
    monkeypatch.setattr(plan, "least_buffers", lambda ops: {**least_buffers(ops), key: slots - 1})
    with pytest.raises(DeadlockError, match="buffer of 9"):
        run_program(lean(trace).program)


# --- credits --------------------------------------------------------------------------------


@st.composite
def reaches(draw: st.DrawFn) -> tuple[Reach, int, int]:
    """(reach, positions in, positions out) of windows, maps, barriers and slices."""
    kind = draw(st.sampled_from(["map", "window", "all", "slice"]))
    size_in = draw(st.integers(1, 20))
    if kind == "map":
        return one_to_one(size_in), size_in, size_in
    if kind == "all":
        size_out = draw(st.integers(1, 8))
        return everything(size_in, size_out), size_in, size_out
    if kind == "slice":
        start = draw(st.integers(0, size_in - 1))
        size_out = draw(st.integers(1, size_in - start))
        index = np.arange(start, start + size_out, dtype=np.int64)
        return Reach(first=index, last=index), size_in, size_out
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    kernel = draw(st.integers(1, min(3, height, width)))
    stride, pad = draw(st.integers(1, 3)), draw(st.integers(0, kernel // 2))
    out = [(n + 2 * pad - kernel) // stride + 1 for n in (height, width)]
    reach = sliding_window(
        (height, width), (out[0], out[1]), (kernel, kernel), (stride, stride), (pad, pad)
    )
    return reach, height * width, out[0] * out[1]


@given(reaches(), st.data())
def test_credit_table_against_brute_force(
    case: tuple[Reach, int, int], data: st.DataObject
) -> None:
    """Position m may start when it and all that is still needed fit into the slots."""
    reach, size_in, size_out = case
    slots = data.draw(st.integers(1, 2 * size_in))
    table = credit_table(reach, size_in, size_out, slots)
    rounds = 4
    # the oldest position in the buffer once the consumer has finished instances 0..j
    firsts = [r * size_in + int(f) for r in range(rounds + 1) for f in reach.first]
    for m in range(rounds * size_in):
        j = -1
        while m - firsts[j + 1] + 1 > slots:
            j += 1
        got = m // size_in * size_out + int(table[m % size_in])
        assert max(got, -1) == j


# --- dominators -----------------------------------------------------------------------------


@st.composite
def wirings(draw: st.DrawFn) -> list[Operation]:
    """Operations with nothing but their feeds: each reads from up to three before it."""
    ops: list[Operation] = []
    for index in range(draw(st.integers(1, 12))):
        producers = draw(st.lists(st.integers(0, index - 1), max_size=3)) if index else []
        feeds = [Feed(p, which, one_to_one(1)) for which, p in enumerate(producers)]
        ops.append(Operation(index, f"o{index}", None, [], (1, 1), feeds))
    return ops


def reachable(ops: list[Operation], without: int) -> set[int]:
    """Operations that a path from the inputs reaches without passing one of them."""
    found: set[int] = set()
    for operation in ops:
        if operation.index != without and (
            not operation.feeds or any(f.producer in found for f in operation.feeds)
        ):
            found.add(operation.index)
    return found


@given(wirings())
def test_immediate_dominators_against_brute_force(ops: list[Operation]) -> None:
    """The dominators of v are those without which no path gets to v; the nearest is the last."""
    got = immediate_dominators(ops)
    for v in range(len(ops)):
        dominators = [d for d in range(v) if v not in reachable(ops, d)]
        assert got[v] == max(dominators, default=ROOT)


def test_a_cut_outlives_the_attempt_that_made_it() -> None:
    """The recogniser needs a second attempt: the windows of 5 x 5 are cut in both."""
    arch = load_arch(PROJECT / "arch_configs" / "isaac_vpu.yaml")
    trace = load_trace(PROJECT / "traces" / "ppocr_v4_rec.trace.json")
    found = {info.layers[0]: info for info in map_trace(arch, trace).operations}
    # 4 lines of 80 positions and 5 more, of 240 channels, are 78 KB; half a tile has 32
    assert found["Conv.13"].tiles >= 3
