"""A training step as a trace: every multiply-accumulate that the gradients need, on the chip."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sequences import CHIP, attention
from test_teaching import ROOT, conv, layers, linear

from archsim.adaptation.evaluate import Switch
from archsim.adaptation.learn import chip_step
from archsim.adaptation.registry import make_method
from archsim.arch.load import load_arch
from archsim.engine import ENGINES, run_program
from archsim.errors import InputError
from archsim.learning.backward import training_trace
from archsim.learning.derive import learning_work
from archsim.mapping.lower import map_trace
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

RELU = {"op": "activation", "function": "relu"}


def stationary(trace: Trace) -> list[str]:
    return [layer.name for layer in trace.layers if layer.stationary]


def test_three_layers_by_hand() -> None:
    """4 -> 6 -> 5 -> 3, all trained: 69 MACs forward, 30 + 15 back, 69 for the weights."""
    trace = layers(
        [1, 4], linear(4, 6, name="a"), {**RELU, "name": "ra"}, linear(6, 5, name="b"),
        {**RELU, "name": "rb"}, linear(5, 3, name="c"),
    )  # fmt: skip
    step = training_trace(trace, learning_work(trace, ["a", "b", "c"]))
    macs = {
        layer.name: layer.macs(step.input_shapes(layer), step.shapes[layer.name])
        for layer in step.layers
    }
    assert {name: count for name, count in macs.items() if name.endswith((".dx", ".dw"))} == {
        "c.dw": 15, "c.dx": 15, "b.dw": 30, "b.dx": 30, "a.dw": 24,
    }  # fmt: skip
    assert step.macs() == 69 + 45 + 69


def test_a_frozen_prefix_has_no_backward_pass() -> None:
    trace = layers([1, 4], linear(4, 6, name="a"), linear(6, 5, name="b"), linear(5, 3, name="c"))
    step = training_trace(trace, learning_work(trace, ["c"]))
    new = [layer.name for layer in step.layers if layer not in trace.layers]
    assert new == ["c.loss", "b.stored", "c.dw"]


@pytest.mark.parametrize(
    "trace",
    [
        layers([9, 4], linear(4, 4), {**RELU}, linear(4, 2)),
        layers([6, 6, 4], conv(4, 4, stride=[2, 2]), {**RELU}, conv(4, 8, 1, groups=2)),
        layers(
            [4, 4, 4], conv(4, 4, name="a"),
            {"op": "pool", "function": "max", "kernel": [2, 2], "stride": [2, 2], "name": "p"},
            conv(4, 4, name="b"),
            {"op": "elementwise", "function": "add", "inputs": ["b", "p"]},
        ),
        attention(5, 4, causal=True),
    ],
    ids=["linear", "convolution", "residual", "attention"],
)  # fmt: skip
def test_step_has_the_work_that_was_derived_and_runs(trace: Trace) -> None:
    trainable = stationary(trace)
    if not trainable:  # attention alone: train a projection before it
        names = {"name": "proj", "op": "linear", "inputs": ["x"], "in_features": 4,
                 "out_features": 4}  # fmt: skip
        data = trace.model_dump()
        data["layers"] = [names, *data["layers"]]
        for layer in data["layers"][1:]:
            layer["inputs"] = ["proj" if name == "x" else name for name in layer["inputs"]]
        trace, trainable = Trace.model_validate(data), ["proj"]
    work = learning_work(trace, trainable)
    step = training_trace(trace, work)
    assert Trace.model_validate(step.model_dump()) == step
    expected = work.forward_macs + work.backward_macs
    causal = any(getattr(layer, "causal", False) for layer in trace.layers)
    assert step.macs() >= expected if causal else step.macs() == expected
    mapped = map_trace(CHIP, step, chips=None)
    fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), depth=st.integers(1, 5))
def test_training_more_never_does_less(data: st.DataObject, depth: int) -> None:
    records = []
    for _ in range(depth):
        records += [linear(4, 4), {**RELU}]
    trace = layers([3, 4], *records)
    names = stationary(trace)
    some = data.draw(st.sets(st.sampled_from(names), min_size=1))
    fewer, all_of_them = (
        training_trace(trace, learning_work(trace, trained)).macs() for trained in (some, names)
    )
    assert fewer <= all_of_them
    assert training_trace(trace, learning_work(trace, some)).macs() == (
        (work := learning_work(trace, some)).forward_macs + work.backward_macs
    )


def test_recurrent_layers_are_refused() -> None:
    record = {"op": "recurrent", "cell": "gru", "in_features": 2, "hidden": 2, "name": "cell"}
    trace = layers([3, 2], record)
    with pytest.raises(InputError, match=r"layer 'cell' \(recurrent\) is not modelled"):
        training_trace(trace, learning_work(trace, ["cell"]))


def test_a_step_on_the_chip_is_its_passes_and_its_update() -> None:
    arch = load_arch(ROOT / "arch_configs" / "rram_sram_hybrid.yaml")
    trace = load_trace(ROOT / "traces" / "ppocr_v4_cls.trace.json")
    adapted = make_method("xbm").adapt(trace, arch)
    last = stationary(trace)[-1]
    work = learning_work(adapted.trace, [last], batch=2)
    step = chip_step(arch, adapted, work)
    assert step.seconds == pytest.approx(step.passes.latency_s + step.update.seconds)
    assert step.joules == pytest.approx(step.passes.energy_total_j + step.update.joules)
    assert step.passes.macs == work.forward_macs + work.backward_macs
    assert step.update.bits > 0
    assert step.update != Switch()
