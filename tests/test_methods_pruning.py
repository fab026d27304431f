"""Structured pruning: shapes that shrink together, by hand and by law."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_methods_support import (
    TOKENS,
    act,
    hybrid,
    linear,
    mobile,
    recurrent,
    trace_of,
    transformer,
)

from archsim.adaptation.pruning import prune_channels
from archsim.adaptation.registry import make_method
from archsim.errors import InputError
from archsim.trace.model import Trace
from archsim.trace.operators import Conv2d, Linear, MatMul


def layers(trace: Trace) -> dict[str, object]:
    return {layer.name: layer for layer in trace.layers}


def test_a_transformer_loses_a_quarter_inside() -> None:
    """Feed-forward 32 to 24, heads of 8 to 6; the residual stream of 16 stays."""
    pruned = prune_channels(transformer(1), 0.25)
    found = layers(pruned.trace)
    sizes = {
        name: (layer.in_features, layer.out_features)
        for name, layer in found.items()
        if isinstance(layer, Linear)
    }
    assert sizes == {
        "block0.query": (16, 12), "block0.key": (16, 12), "block0.value": (16, 12),
        "block0.output": (12, 16), "block0.up": (16, 24), "block0.down": (24, 16),
    }  # fmt: skip
    scores, context = found["block0.scores"], found["block0.context"]
    assert isinstance(scores, MatMul)
    assert isinstance(context, MatMul)
    assert (scores.k, scores.n, context.k, context.n) == (6, TOKENS, TOKENS, 6)
    assert (pruned.channels, pruned.kept) == (16 + 16 + 32, 12 + 12 + 24)
    assert set(pruned.changed) == set(sizes)
    assert pruned.trace.shapes["block0.norm"] == (TOKENS, 16)


def test_grouped_queries_keep_their_groups() -> None:
    """Two heads of queries to one of keys, each 8 to 4."""
    found = layers(prune_channels(transformer(1, kv_heads=1), 0.5).trace)
    query, key = found["block0.query"], found["block0.key"]
    assert isinstance(query, Linear)
    assert isinstance(key, Linear)
    assert (query.out_features, key.out_features) == (8, 4)


def test_a_mobile_network_loses_whole_residual_streams() -> None:
    """Depthwise convolutions follow their input; the stream of 8 runs into the classifier."""
    found = layers(prune_channels(mobile(4), 0.25).trace)
    middle, last = found["block0.depthwise"], found["classifier"]
    assert isinstance(middle, Conv2d)
    assert isinstance(last, Linear)
    assert (middle.in_channels, middle.out_channels, middle.groups) == (12, 12, 12)
    assert (last.in_features, last.out_features) == (6, 5)


def test_macs_of_two_layers() -> None:
    """8 to 12 to 4 with the middle cut in half: 8 x 6 + 6 x 4."""
    trace = trace_of("two", [8], [linear("a", "x", 8, 12), act("r", "a"), linear("b", "r", 12, 4)])
    assert prune_channels(trace, 0.5).trace.macs() == 8 * 6 + 6 * 4


@given(ratio=st.floats(0.01, 0.99), blocks=st.integers(1, 3))
def test_what_is_left_is_a_valid_smaller_trace(ratio: float, blocks: int) -> None:
    trace = transformer(blocks)
    pruned = prune_channels(trace, ratio)
    again = Trace.model_validate(pruned.trace.model_dump())
    assert again.shapes == pruned.trace.shapes
    assert again.parameters() <= trace.parameters()
    assert list(again.shapes) == list(trace.shapes)
    assert 0 < pruned.kept <= pruned.channels
    assert trace == transformer(blocks)


def test_nothing_to_prune() -> None:
    with pytest.raises(InputError, match="no channels that layers could lose together"):
        prune_channels(recurrent(), 0.5)


def test_the_method_programs_what_was_pruned_and_its_adapters() -> None:
    adapted = make_method("pruning-lora", {"ratio": 0.25, "rank": 2}).adapt(
        transformer(1), hybrid()
    )
    names = {rewrite.layer for rewrite in adapted.switch}
    assert {"block0.up", "block0.down", "block0.query.lora_a", "block0.value.lora_b"} <= names
    lora = 2 * 2 * (16 + 12)  # query and value are 16 x 12 now
    assert adapted.trained == lora + 64
    assert adapted.stored_bits == 8 * lora + 64
