"""Recurrent layers in both directions: layers, MACs, weights and values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import GraphMaker, run, sample

from archsim.trace.model import Trace
from archsim.trace.onnx import import_onnx
from archsim.trace.quantiser import Quantiser
from archsim.trace.stats import tensor_stats


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


def summary(trace: Trace) -> list[str]:
    """Operator, and function where it has one, of each layer."""
    return [
        layer.op + (f" {layer.function}" if hasattr(layer, "function") else "")
        for layer in trace.layers
    ]


# Recurrent layers


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent(maker: GraphMaker, op: str, gates: int, direction: str) -> None:
    steps, width, hidden = 5, 6, 3
    ways = 2 if direction == "bidirectional" else 1
    x = maker.input("x", [steps, 1, width])
    parts = [
        maker.weight(ways, gates * hidden, width),
        maker.weight(ways, gates * hidden, hidden),
        maker.weight(ways, 2 * gates * hidden),
    ]
    y, last = maker.node(op, x, *parts, outputs=2, hidden_size=hidden, direction=direction)
    flat = maker.node("Transpose", y, perm=[0, 2, 1, 3])
    joined = maker.node("Reshape", flat, maker.constant(np.array([0, 0, -1], np.int64)))
    out = maker.linear(joined, ways * hidden, 2)
    path = maker.save(out, last)
    values = sample(steps, 1, width)
    trace = import_onnx(path, inputs={"x": values})
    flips = {"forward": 0, "reverse": 2, "bidirectional": 2}[direction]
    assert summary(trace).count("recurrent") == ways
    assert summary(trace).count("move flip") == flips
    assert summary(trace).count("move concat") == ways - 1
    assert summary(trace)[-1] == "linear"  # no move: directions lie in the channels in order
    assert trace.macs() == ways * steps * gates * hidden * (width + hidden) + steps * ways * 6
    layers = [layer for layer in trace.layers if layer.op == "recurrent"]
    assert [layer.cell for layer in layers] == [op.lower()] * ways
    (output,) = run(path, {"x": values}, y)
    for index, layer in enumerate(layers):
        assert layer.output_stats == tensor_stats(output[:, index])
        stacked = np.concatenate([maker.weights[name][index].T for name in parts[:2]])
        assert layer.weight_stats == Quantiser().weights(stacked)
        assert layer.biases == 2 * gates * hidden
    final = next(layer for layer in trace.layers if layer.name.endswith(".last"))
    assert (final.op, trace.shapes[final.name]) == ("move", (ways * hidden,))
    assert final.start == (steps - 1 if ways == 1 else None)


def test_an_initial_state_is_left_out(maker: GraphMaker) -> None:
    x = maker.input("x", [4, 1, 6])
    state = maker.input("state", [2, 1, 3])
    first, cell = (
        maker.node("Gather", state, maker.constant(np.array([i], np.int64)), axis=0)
        for i in range(2)
    )
    y, _, c = maker.node(
        "LSTM", x, maker.weight(1, 12, 6), maker.weight(1, 12, 3), "", "", first, cell,
        outputs=3, hidden_size=3,
    )  # fmt: skip
    trace = import_onnx(maker.save(y, c))
    assert [item.name for item in trace.inputs] == ["x"]
    assert summary(trace) == ["recurrent", "move slice"]
