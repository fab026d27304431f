"""Adapters go to query and value, whatever they are called, and never to the classifier."""

from __future__ import annotations

from typing import Any

import pytest
from test_teaching import layers

from archsim.adaptation.low_rank import own_adapters
from archsim.adaptation.method import adapts, targets
from archsim.adaptation.roles import FUSED, module_of, roles
from archsim.errors import InputError
from archsim.trace.model import Trace

T, WIDTH = 4, 8


def linear(name: str, source: str, inner: int = WIDTH, outer: int = WIDTH) -> dict[str, Any]:
    return {"name": name, "op": "linear", "inputs": [source], "in_features": inner,
            "out_features": outer}  # fmt: skip


def attention(q: str, k: str, v: str) -> list[dict[str, Any]]:
    """Scores, softmax and context of one head over three tensors."""
    shared = {"op": "matmul"}
    return [
        {"name": "rotated", "op": "activation", "function": "rotary", "inputs": [q]},
        {"name": "scores", "inputs": ["rotated", k], "k": WIDTH, "n": T, "transposed": True,
         **shared},
        {"name": "shares", "op": "softmax"},
        {"name": "context", "inputs": ["shares", v], "k": T, "n": WIDTH, "transposed": False,
         **shared},
    ]  # fmt: skip


def block(
    names: tuple[str, str, str, str, str, str, str] = ("n1", "n2", "n3", "n4", "n5", "n6", "n7"),
) -> Trace:
    """A transformer block with a residual sum, a feed-forward part and a classifier of 2."""
    q, k, v, out, up, down, head = names
    return layers(
        [T, WIDTH],
        linear(q, "x"), linear(k, "x"), linear(v, "x"),
        *attention(q, k, v),
        linear(out, "context"),
        {"name": "sum", "op": "elementwise", "function": "add", "inputs": [out, "x"]},
        linear(up, "sum", WIDTH, 32),
        {"name": "act", "op": "activation", "function": "gelu"},
        linear(down, "act", 32, WIDTH),
        {"name": "end", "op": "elementwise", "function": "add", "inputs": [down, "sum"]},
        linear(head, "end", WIDTH, 2),
    )  # fmt: skip


def test_roles_come_from_the_products_where_names_tell_nothing() -> None:
    trace = block()
    assert roles(trace) == {"n1": "query", "n2": "key", "n3": "value", "n5": "up", "n6": "down"}
    assert [layer.name for layer in targets(trace, None, linear=True)] == ["n1", "n3"]
    assert adapts(trace, ["n1", "n3"]) == "2 layers: query, value"


@pytest.mark.parametrize(
    ("query", "value"),
    [("query", "value"), ("a.q_lin", "a.v_lin"), ("b0.wq", "b0.wv"), ("to_q", "to_v"),
     ("x.q_proj.base_layer", "x.v_proj.base_layer")],
)  # fmt: skip
def test_names_of_common_models(query: str, value: str) -> None:
    trace = block((query, "other", value, "n4", "n5", "n6", "classifier"))
    assert [layer.name for layer in targets(trace, None, linear=True)] == [query, value]


@pytest.mark.parametrize("name", ["h.0.attn.c_attn", "qkv", "Wqkv", "node_linear_7"])
def test_a_fused_projection_is_adapted_whole(name: str) -> None:
    parts = [
        {"name": part, "op": "move", "function": "slice", "shape": [T, WIDTH], "inputs": [name]}
        for part in ("q_part", "k_part", "v_part")
    ]
    trace = layers(
        [T, WIDTH],
        linear(name, "x", WIDTH, 24),
        *parts,
        *attention("q_part", "k_part", "v_part"),
        linear("head", "context", WIDTH, 2),
    )
    assert roles(trace)[name] == FUSED
    assert [layer.name for layer in targets(trace, None, linear=True)] == [name]


def test_a_residual_sum_ends_the_search() -> None:
    """A query that is the residual stream itself has no layer of its own."""
    trace = layers(
        [T, WIDTH],
        linear("a", "x"), linear("b", "a"),
        {"name": "sum", "op": "elementwise", "function": "add", "inputs": ["b", "a"]},
        linear("k", "sum"), linear("v", "sum"),
        *attention("sum", "k", "v"),
        linear("head", "context", WIDTH, 2),
    )  # fmt: skip
    assert [layer.name for layer in targets(trace, None, linear=True)] == ["v"]


def test_a_model_without_attention_and_one_whose_roles_are_not_clear() -> None:
    plain = layers([WIDTH], linear("a", "x"), linear("b", "a"), linear("head", "b", WIDTH, 2))
    assert [layer.name for layer in targets(plain, None, linear=True)] == ["a", "b"]
    alone = layers([WIDTH], linear("head", "x", WIDTH, 2))
    assert [layer.name for layer in targets(alone, None)] == ["head"]  # all there is
    mixer = layers(
        [T, WIDTH],
        {"name": "mix", "op": "matmul", "inputs": ["x", "x"], "k": WIDTH, "n": T,
         "transposed": True},
        linear("a", "mix", T, WIDTH), linear("head", "a", WIDTH, 2),
    )  # fmt: skip
    with pytest.raises(InputError, match="not clear"):
        targets(mixer, None, linear=True)


def test_adapters_that_came_with_the_model_are_no_targets() -> None:
    rows = [
        linear("q_proj.base_layer", "x"),
        linear("q_proj.lora_A.default", "x", WIDTH, 2),
        linear("q_proj.lora_B.default", "q_proj.lora_A.default", 2, WIDTH),
        {"name": "q", "op": "elementwise", "function": "add",
         "inputs": ["q_proj.base_layer", "q_proj.lora_B.default"]},
        linear("k_proj", "x"), linear("v_proj", "x"), *attention("q", "k_proj", "v_proj"),
    ]  # fmt: skip
    trace = layers([T, WIDTH], *rows)
    assert own_adapters(trace) == {
        "q_proj.lora_A.default": "q_proj.base_layer",
        "q_proj.lora_B.default": "q_proj.base_layer",
    }
    assert module_of("m.q_proj.base_layer") == "q_proj"
    assert {layer.name for layer in targets(trace, None)} == {"q_proj.base_layer", "v_proj"}
