"""Statistics of imported models are those of the values that onnxruntime computes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import GraphMaker, run, sample

from archsim.trace.load import load_trace, save_trace
from archsim.trace.onnx import import_onnx
from archsim.trace.quantiser import Quantiser
from archsim.trace.stats import quantise, tensor_stats
from archsim.trace.yaml_writer import save_workload


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


def test_conv_statistics_and_codes(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 3, 8, 8])
    weight = maker.weight(5, 3, 3, 3)
    y = maker.node("Conv", x, weight)
    y = maker.batch_norm(y, 5)
    path = maker.save(maker.node("Relu", y))
    values = sample(1, 3, 8, 8)
    conv, relu = import_onnx(path, inputs={"x": values}).layers
    (output,) = run(path, {"x": values}, y)
    assert conv.input_stats == tensor_stats(values)
    assert conv.output_stats == relu.input_stats == tensor_stats(output)
    assert relu.output_stats == tensor_stats(np.maximum(output, 0))

    gamma, beta, mean, variance = (maker.weights[n] for n in maker.nodes[1].input[1:])
    scale = gamma / np.sqrt(variance + 1e-5)
    folded = maker.weights[weight] * scale[:, None, None, None]
    codes, unit = quantise(folded, 8)
    assert conv.weight_stats.scale == pytest.approx(unit, rel=1e-6)
    counts = np.bincount(codes.ravel() + 128, minlength=256)
    assert np.abs(counts - conv.weight_stats.histogram).sum() <= 2  # a tie may round either way
    input_codes, input_unit = quantise(values, 8)
    windows = np.lib.stride_tricks.sliding_window_view(input_codes[0], (3, 3), axis=(1, 2))
    product = np.einsum("chwij,ocij->ohw", windows, codes) * unit * input_unit
    rebuilt = product + (beta - mean * scale)[:, None, None]
    bound = 27 * (
        unit / 2 * np.abs(values).max() + input_unit / 2 * np.abs(folded).max()
        + unit * input_unit / 4
    )  # fmt: skip
    error = np.abs(rebuilt - output[0]).max()
    assert error < bound
    assert error < 0.03 * np.abs(output).max()


def test_matmul_statistics_and_codes(maker: GraphMaker) -> None:
    tokens, heads, width = 6, 2, 8
    x = maker.input("x", [1, tokens, 16])
    y = maker.encoder_block(x, tokens, heads, width)
    path = maker.save(y)
    values = sample(1, tokens, 16)
    trace = import_onnx(path, inputs={"x": values})
    scores = next(layer for layer in trace.layers if layer.op == "matmul")
    node = next(n for n in maker.nodes if n.op_type == "MatMul" and n.name == scores.name)
    q, k, output = run(path, {"x": values}, *node.input, node.output[0])
    assert scores.weight_stats is None
    assert scores.input_stats == tensor_stats(q)
    assert scores.output_stats == tensor_stats(output)
    (q_codes, q_unit), (k_codes, k_unit) = quantise(q, 8), quantise(k, 8)
    rebuilt = (q_codes @ k_codes) * q_unit * k_unit
    assert np.abs(rebuilt - output).max() < 0.03 * np.abs(output).max()
    for layer in trace.layers:
        assert layer.output_stats is not None
        assert (layer.weight_stats is not None) == (layer.op == "linear")
        assert layer.output_stats.samples == math.prod(trace.shapes[layer.name])


def test_scale_folds_into_the_weights(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 6])
    weight = maker.weight(6, 5)
    product = maker.node("MatMul", x, weight)
    scaled = maker.node("Mul", product, maker.constant(np.array([1.0, -2.0, 3.0, 0.5, 4.0])))
    path = maker.save(maker.node("Sub", maker.constant(np.float32(1.0)), scaled))
    values = sample(1, 4, 6)
    (layer,) = import_onnx(path, inputs={"x": values}).layers
    folded = maker.weights[weight] * -np.array([1.0, -2.0, 3.0, 0.5, 4.0])
    assert layer.weight_stats == Quantiser().weights(folded)
    (output,) = run(path, {"x": values}, "Sub_2.0")
    assert layer.output_stats == tensor_stats(output)


def test_saved_trace_reads_back_equal(maker: GraphMaker, tmp_path: Path) -> None:
    x = maker.input("x", [1, 6, 20])
    path = maker.save(maker.encoder_block(x, 6, 4, 5))
    trace = import_onnx(path, inputs={"x": sample(1, 6, 20)}, name="block")
    save_trace(trace, tmp_path / "t.trace.json")
    assert load_trace(tmp_path / "t.trace.json") == trace
    shape_only = import_onnx(path, name="no")  # a boolean to YAML 1.1 unless quoted
    save_workload(shape_only, tmp_path / "w.yaml", "One block.\nTwo lines.")
    assert load_trace(tmp_path / "w.yaml") == shape_only
    lines = (tmp_path / "w.yaml").read_text().splitlines()
    assert lines[:2] == ["# One block.", "# Two lines."]
    assert sum(line.startswith("  - {name: ") for line in lines) == 1 + len(trace.layers)
