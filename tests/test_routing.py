"""Vectors that go where an index says: experts, neighbours of a graph, bags; and the host's ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_sequences import CHIP
from test_teaching import finishes, layers

from archsim.engine import ENGINES, run_program
from archsim.mapping.graph import operations
from archsim.mapping.lower import map_trace
from archsim.trace.layer import ShapeError
from archsim.trace.model import Trace

WIDTH = 4
ROUTES = {"e0": [0, 1, 3, 4, 5], "e1": [2, 3, 5]}  # tokens of six that each expert takes


def linear(name: str, source: str, inner: int = WIDTH, outer: int = WIDTH) -> dict[str, Any]:
    return {"name": name, "op": "linear", "inputs": [source], "in_features": inner,
            "out_features": outer}  # fmt: skip


def experts() -> Trace:
    """Six tokens, two experts of one matrix that take 5 and 3 of them, and one that is idle."""
    rows: list[dict[str, Any]] = [linear("base", "x")]
    for name, tokens in ROUTES.items():
        rows.append({"name": f"{name}.in", "op": "move", "function": "gather", "inputs": ["base"],
                     "shape": [len(tokens), WIDTH], "index": tokens})  # fmt: skip
        rows.append(linear(name, f"{name}.in"))
    rows.append({"name": "e2", "op": "idle", "inputs": ["base"], "in_features": 4,
                 "out_features": 4})  # fmt: skip
    rows.append({"name": "sum", "op": "scatter", "inputs": ["e0", "e1"], "shape": [6, WIDTH],
                 "index": list(ROUTES.values())})  # fmt: skip
    return layers([6, WIDTH], *rows)


def test_an_expert_works_for_its_own_tokens_alone() -> None:
    trace = experts()
    assert trace.macs() == (6 + 5 + 3) * 16
    assert trace.parameters() == 4 * 16  # the idle expert's are there too
    mapped = map_trace(CHIP, trace, batch=2)
    count = {i.layers[0]: mapped.program.flow_instances[i.flows[0]] for i in mapped.operations}
    assert (count["base"], count["e0"], count["e1"]) == (12, 10, 6)
    assert "e2" not in count
    fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)


def test_a_token_waits_for_its_experts_and_no_others() -> None:
    trace = experts()
    (scatter,) = [layer for layer in trace.layers if layer.name == "sum"]
    shapes = trace.input_shapes(scatter)
    # token 2 went to no expert 0: it needs no more than token 1 did; expert 1 begins with token 2
    assert scatter.reach(0, shapes, (6, WIDTH)).last.tolist() == [0, 1, 1, 2, 3, 4]
    assert scatter.reach(1, shapes, (6, WIDTH)).last.tolist() == [-1, -1, 0, 1, 1, 2]
    mapped = map_trace(CHIP, trace)
    assert finishes(mapped, "sum")[0] < finishes(mapped, "e1")[0]  # token 0 does not wait for it


def test_bags_of_an_embedding_and_neighbours_of_a_graph() -> None:
    bags = layers(
        [5, 1],
        {"name": "rows", "op": "embedding", "rows": 10, "features": 3},
        {"name": "bags", "op": "scatter", "function": "mean", "shape": [2, 3],
         "index": [[0, 0, 1, 1, 1]]},
        linear("top", "bags", 3, 2),
    )  # fmt: skip
    assert bags.macs() == 2 * 6 and bags.parameters() == 30 + 6
    assert finishes(map_trace(CHIP, bags), "top")
    edges = [(0, 1), (1, 0), (2, 1)]
    graph = layers(
        [3, 4],
        {"name": "from", "op": "move", "function": "gather", "shape": [3, 4],
         "index": [a for a, _ in edges]},
        linear("message", "from"),
        {"name": "to", "op": "scatter", "shape": [3, 4], "index": [[b for _, b in edges]]},
    )  # fmt: skip
    assert graph.macs() == 3 * 16
    assert len(finishes(map_trace(CHIP, graph), "to")) == 3


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"op": "move", "function": "gather", "shape": [2, 4]}, "has an index"),
        ({"op": "move", "function": "gather", "shape": [2, 4], "index": [0]}, "lists 1"),
        ({"op": "move", "function": "gather", "shape": [1, 4], "index": [6]}, "position 6 of 6"),
        ({"op": "scatter", "shape": [2, 4], "index": [[0] * 6, [1]]}, "2 lists"),
        ({"op": "scatter", "shape": [2, 4], "index": [[2] * 6]}, "position 2 of 2"),
        ({"op": "scatter", "shape": [2, 3], "index": [[1] * 6]}, "4 channels"),
    ],
)
def test_bad_indices_are_refused(record: dict[str, Any], why: str) -> None:
    with pytest.raises(ShapeError, match=why):
        layers([6, 4], record).macs()


IDS: dict[str, list[dict[str, Any]]] = {
    "slice": [{"name": "ids", "op": "move", "function": "slice", "shape": [2, 1], "start": 1}],
    "offset": [{"name": "ids", "op": "activation", "function": "scale"}],
    "twice": [
        {"name": "a", "op": "activation", "function": "scale"},
        {"name": "ids", "op": "move", "function": "concat", "inputs": ["a", "x"],
         "shape": [6, 1]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", IDS)
def test_ids_on_their_way_to_a_table_are_the_host_s_business(kind: str) -> None:
    trace = layers(
        [3, 1],
        *IDS[kind],
        {"name": "table", "op": "embedding", "inputs": ["ids"], "rows": 9, "features": 4},
        linear("top", "table"),
    )
    assert [o.name for o in operations(trace)] == ["table", "top"]
    assert len(finishes(map_trace(CHIP, trace, batch=2), "top")) == 2 * trace.shapes["top"][0]


def test_ids_that_the_chip_works_out_go_to_the_host_before_the_rows_come() -> None:
    """A code book (VQ): the table's row cannot come before the scores that choose it."""
    trace = layers(
        [3, 4],
        linear("scores", "x", 4, 1),
        {"name": "code", "op": "activation", "function": "compare"},
        {"name": "table", "op": "embedding", "inputs": ["code"], "rows": 8, "features": 4},
        {"name": "add", "op": "elementwise", "function": "add", "inputs": ["table", "x"]},
    )
    mapped = map_trace(CHIP, trace, batch=2)
    fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)
    chosen, looked_up = (np.array(finishes(mapped, name)) for name in ("scores", "table"))
    assert (looked_up > chosen).all()


def test_ids_that_another_layer_reads_too_stay_on_the_chip_for_it() -> None:
    trace = layers(
        [3, 1],
        {"name": "ids", "op": "activation", "function": "scale"},
        {"name": "table", "op": "embedding", "inputs": ["ids"], "rows": 9, "features": 4},
        linear("gate", "ids", 1, 4),
        {"name": "mul", "op": "elementwise", "function": "mul", "inputs": ["table", "gate"]},
    )
    names = [o.name for o in operations(trace)]
    assert names == ["x", "ids", "table", "gate", "mul"]
    assert len(finishes(map_trace(CHIP, trace), "mul")) == 3


def test_a_generated_token_waits_through_what_moves_it_before_the_table() -> None:
    """Decoding stays one token after another where ids pass a layer on their way to the table."""
    from archsim.trace.model import Generation

    rows = [
        {"name": "table", "op": "embedding", "rows": 9, "features": 4},
        {"name": "ends", "op": "move", "function": "slice", "shape": [3, 4], "start": 1},
        linear("head", "ends", 4, 9),
    ]
    plain = layers([4, 1], *rows)
    moved = layers([4, 1], {"name": "ids", "op": "activation", "function": "scale"}, *rows)
    generation = Generation(prompt=2, decode=2, source="head", target="x")
    ends = [
        finishes(map_trace(CHIP, t.model_copy(update={"generation": generation})), "head")
        for t in (plain, moved)
    ]
    assert ends[0] == ends[1]
