"""What a training step needs: gradients, stored activations, backward work, updates, adapters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli_support import ROOT

from archsim.errors import InputError
from archsim.learning import (
    LayerLearning,
    LearningWork,
    fusion_parameters,
    learning_work,
    lora_parameters,
    lora_shapes,
    with_lora,
)
from archsim.trace.load import load_trace
from archsim.trace.model import Trace


def trace_of(shape: list[int], *layers: dict[str, Any]) -> Trace:
    return Trace.model_validate(
        {
            "archsim_trace": 1,
            "name": "t",
            "provenance": {"model": "a test", "made_by": "a test"},
            "inputs": [{"name": "x", "shape": shape}],
            "layers": list(layers),
        }
    )


def linear(name: str, source: str, rows: int, columns: int) -> dict[str, Any]:
    return {"name": name, "op": "linear", "inputs": [source], "in_features": rows,
            "out_features": columns}  # fmt: skip


def act(name: str, source: str, function: str) -> dict[str, Any]:
    return {"name": name, "op": "activation", "inputs": [source], "function": function}


def three_layers() -> Trace:
    """4 -> 6 -> 5 -> 3 with ReLUs between: the example of docs/learning.md."""
    return trace_of(
        [4],
        linear("fc1", "x", 4, 6),
        act("relu1", "fc1", "relu"),
        linear("fc2", "relu1", 6, 5),
        act("relu2", "fc2", "relu"),
        linear("fc3", "relu2", 5, 3),
    )


def layer(work: LearningWork, name: str) -> LayerLearning:
    return next(found for found in work.layers if found.name == name)


def test_full_fine_tuning_by_hand() -> None:
    work = learning_work(
        three_layers(), ["fc1", "fc2", "fc3"], optimizer="adam", batch=2, activation_bits=8,
        weight_bits=16, gradient_bits=16, state_bits=32,
    )  # fmt: skip
    weights = 24 + 30 + 15
    assert work.forward_macs == 2 * weights
    assert work.weight_gradient_macs == 2 * weights
    assert work.input_gradient_macs == 2 * (30 + 15)  # fc1's input needs none
    # x, relu1 and relu2 as inputs of trained layers; their values hold the ReLUs' signs too
    assert work.stored_bits == (4 + 6 + 5) * 2 * 8
    assert work.trainable == weights
    assert work.state_memory_bits == 2 * weights * 32
    assert work.weight_bits_written == weights * 16
    assert work.bits_written == weights * 16 + 2 * weights * 32
    largest = (6 + 6) * 2 * 8  # relu1: six in, six out
    assert work.transient_bits == largest
    assert work.peak_bits == weights * (16 + 16 + 64) + 15 * 2 * 8 + largest


def test_backward_is_twice_forward_but_for_the_first_layer() -> None:
    work = learning_work(three_layers(), ["fc1", "fc2", "fc3"])
    assert work.backward_macs == 2 * work.forward_macs - layer(work, "fc1").forward_macs


def test_a_probe_stores_only_its_own_input() -> None:
    full = learning_work(three_layers(), ["fc1", "fc2", "fc3"], activation_bits=8)
    probe = learning_work(three_layers(), ["fc3"], activation_bits=8)
    assert full.stored_bits - probe.stored_bits == (4 + 6) * 8
    assert probe.input_gradient_macs == 0
    assert [found.name for found in probe.layers if found.runs_backward] == ["fc3"]


def test_a_frozen_layer_behind_a_trained_one_passes_the_gradient_on() -> None:
    work = learning_work(three_layers(), ["fc2"], activation_bits=8)
    assert not layer(work, "relu1").runs_backward  # frozen prefix
    assert not layer(work, "fc1").runs_backward
    fc3 = layer(work, "fc3")
    assert fc3.needs_input_gradient and not fc3.needs_weight_gradient
    assert (work.input_gradient_macs, work.weight_gradient_macs) == (15, 30)
    assert layer(work, "fc2").stored[0].tensor == "relu1"
    assert layer(work, "fc3").stored == ()
    (mask,) = layer(work, "relu2").stored
    assert (mask.elements, mask.bits) == (5, 1)
    no_mask = learning_work(three_layers(), ["fc2"], activation_bits=8, relu_mask=False)
    assert no_mask.stored_bits - work.stored_bits == 5 * (8 - 1)


def test_a_bias_needs_no_stored_input() -> None:
    work = learning_work(three_layers(), [], biases=["fc1"], activation_bits=8)
    assert work.trainable == 6
    assert work.weight_gradient_macs == 0
    assert work.stored_bits == 6 + 5  # the signs of both ReLUs
    assert work.input_gradient_macs == 30 + 15


def test_what_attention_stores() -> None:
    trace = trace_of(
        [4, 8],
        linear("q", "x", 8, 8),
        linear("k", "x", 8, 8),
        linear("v", "x", 8, 8),
        {"name": "s", "op": "matmul", "inputs": ["q", "k"], "heads": 2, "k": 4, "n": 4,
         "transposed": True},
        {"name": "p", "op": "softmax", "inputs": ["s"], "groups": 2},
        {"name": "c", "op": "matmul", "inputs": ["p", "v"], "heads": 2, "k": 4, "n": 4,
         "transposed": False},
    )  # fmt: skip
    every = learning_work(trace, ["q", "k", "v"], activation_bits=8)
    kept = {item.tensor for found in every.layers for item in found.stored}
    assert kept == {"x", "q", "k", "v", "p"}
    assert layer(every, "s").input_gradient_macs == 2 * layer(every, "s").forward_macs
    only_value = learning_work(trace, ["v"], activation_bits=8)
    kept = {item.tensor for found in only_value.layers for item in found.stored}
    assert kept == {"x", "p"}  # no gradient goes into the softmax
    assert layer(only_value, "c").input_gradient_macs == layer(only_value, "c").forward_macs
    only_query = learning_work(trace, ["q"], activation_bits=8)
    kept = {item.tensor for found in only_query.layers for item in found.stored}
    assert kept == {"x", "k", "p", "v"}


@pytest.mark.parametrize(
    ("function", "tensor"),
    [("gelu", "a"), ("silu", "a"), ("sigmoid", "f"), ("tanh", "f"), ("scale", None)],
)
def test_which_side_of_an_activation_is_kept(function: str, tensor: str | None) -> None:
    trace = trace_of([4], linear("a", "x", 4, 4), act("f", "a", function))
    kept = [item.tensor for item in layer(learning_work(trace, ["a"]), "f").stored]
    assert kept == ([tensor] if tensor else [])


def test_norms_products_and_maxima() -> None:
    trace = trace_of(
        [4, 4, 3],
        {"name": "conv", "op": "conv2d", "inputs": ["x"], "kernel": [1, 1], "in_channels": 3,
         "out_channels": 8},
        {"name": "batch", "op": "norm", "inputs": ["conv"], "function": "batch"},
        {"name": "layer", "op": "norm", "inputs": ["batch"], "function": "layer"},
        {"name": "gate", "op": "elementwise", "inputs": ["layer", "batch"], "function": "mul"},
        {"name": "pool", "op": "pool", "inputs": ["gate"], "kernel": [2, 2], "stride": [2, 2],
         "function": "max"},
    )  # fmt: skip
    work = learning_work(trace, ["conv"], activation_bits=8)
    assert layer(work, "batch").stored == ()  # fixed statistics: linear
    kept = [(item.elements, item.bits) for item in layer(work, "layer").stored]
    assert kept == [(4 * 4 * 8, 8), (4 * 4, 8)]
    (other,) = layer(work, "gate").stored  # `layer` is kept by the norm already
    assert other.tensor == "batch"
    (places,) = layer(work, "pool").stored
    assert (places.elements, places.bits) == (2 * 2 * 8, 2)
    gains = learning_work(trace, ["layer"])
    assert gains.trainable == 2 * 8


def test_bad_requests() -> None:
    trace = three_layers()
    with pytest.raises(InputError, match="Did you mean 'fc3'"):
        learning_work(trace, ["fc33"])
    with pytest.raises(InputError, match=r"'relu1' .* has no weights"):
        learning_work(trace, ["relu1"])
    with pytest.raises(InputError, match="has no biases"):
        learning_work(trace, [], biases=["relu1"])
    with pytest.raises(InputError, match="Did you mean 'adam'"):
        learning_work(trace, ["fc1"], optimizer="adamm")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="mini-batch of 0"):
        learning_work(trace, ["fc1"], batch=0)


@given(st.data())
def test_more_trainable_layers_never_need_less(data: st.DataObject) -> None:
    layers: list[dict[str, Any]] = []
    names = ["x"]
    for index in range(data.draw(st.integers(1, 8))):
        name, source = f"l{index}", data.draw(st.sampled_from(names))
        kind = data.draw(st.sampled_from(["linear", "relu", "gelu", "norm", "softmax", "mul"]))
        if kind == "linear":
            layers.append(linear(name, source, 4, 4))
        elif kind in ("relu", "gelu"):
            layers.append(act(name, source, kind))
        elif kind == "mul":
            other = data.draw(st.sampled_from(names))
            layers.append({"name": name, "op": "elementwise", "inputs": [source, other],
                           "function": "mul"})  # fmt: skip
        else:
            layers.append({"name": name, "op": kind, "inputs": [source]})
        names.append(name)
    trace = trace_of([3, 4], *layers)
    usable = [found["name"] for found in layers if found["op"] in ("linear", "norm")]
    more = data.draw(st.sets(st.sampled_from(usable))) if usable else set()
    fewer = data.draw(st.sets(st.sampled_from(sorted(more)))) if more else set()
    bits = data.draw(st.sampled_from([1, 8, 32]))
    small, large = (learning_work(trace, s, activation_bits=bits) for s in (fewer, more))
    assert small.stored_bits <= large.stored_bits
    assert small.peak_bits <= large.peak_bits
    assert small.backward_macs <= large.backward_macs
    assert small.bits_written <= large.bits_written
    assert small.forward_macs == large.forward_macs


def test_published_numbers_of_trained_parameters() -> None:
    # flan-t5-large: q and v of 72 attention blocks (24 + 24 self, 24 cross), all 1024 x 1024
    matrices = [(1024, 1024)] * (72 * 2)
    assert lora_parameters(matrices, 16) == 4_718_592
    trained = fusion_parameters([columns for _, columns in matrices], pool=20, layers=48)
    assert round(trained / 1000) == 148
    # LLaMA-3.2-1B, rank 4 on q, k, v, up, down of 16 layers: 0.15 % (HaLoRA)
    block = [(2048, 2048), (2048, 512), (2048, 512), (2048, 8192), (8192, 2048)]
    assert lora_parameters(block * 16, 4) == 1_900_544
    assert lora_parameters(block * 16, 4) / 1.236e9 == pytest.approx(0.0015, abs=5e-5)


def test_adapters_in_a_trace() -> None:
    trace = load_trace(ROOT / "workloads" / "bert_base.yaml")
    names = [f"block{i}.{part}" for i in range(12) for part in ("query", "value")]
    adapted = with_lora(trace, names, 8)
    added = [f"{name}.lora_{part}" for name in names for part in "ab"]
    assert adapted.parameters() - trace.parameters() == lora_parameters(
        lora_shapes(trace, names), 8
    )
    assert set(adapted.shapes) - set(trace.shapes) == {
        *added, *(f"{name}.lora_add" for name in names)
    }  # fmt: skip
    scores = next(found for found in adapted.layers if found.name == "block0.scores")
    assert scores.inputs == ["block0.query.lora_add", "block0.key"]
    lora = learning_work(adapted, added, optimizer="adam")
    full = learning_work(
        trace, [found.name for found in trace.layers if found.op == "linear"], optimizer="adam"
    )
    assert lora.trainable == 8 * 2 * 768 * 24
    assert lora.state_memory_bits < full.state_memory_bits / 200
    assert lora.backward_macs < full.backward_macs
    assert lora.stored_bits < full.stored_bits
    # the frozen base layers pass gradients on, but only from the first adapter
    assert not layer(lora, "block0.query").runs_backward
    assert layer(lora, "block1.query").needs_input_gradient
    with pytest.raises(InputError, match=r"Did you mean 'block0\.query'"):
        with_lora(trace, ["block0.querry"], 8)
    with pytest.raises(InputError, match="rank 0"):
        with_lora(trace, names, 0)
    with pytest.raises(InputError, match="adapters already"):
        with_lora(with_lora(trace, ["block0.query"], 2), ["block0.query"], 2)
