"""Models that are quantised already: their codes, scales and zero points are the recorded ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_graphs import GraphMaker, run, sample

from archsim.trace.model import Trace
from archsim.trace.onnx import import_onnx
from archsim.trace.quantiser import Quantiser

Codes = NDArray[Any]


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


def codes(maker: GraphMaker, kind: type[Any], *shape: int) -> str:
    limits = np.iinfo(kind)
    return maker.constant(
        maker.random.integers(limits.min, limits.max + 1, shape).astype(kind), None
    )


def scalar(maker: GraphMaker, value: float) -> str:
    return maker.constant(np.float32(value))


def zero(maker: GraphMaker, value: int, kind: type[Any] = np.uint8) -> str:
    return maker.constant(np.array(value, kind))


def histogram(values: Codes) -> list[int]:
    """Counts of 8-bit codes; unsigned ones are shifted by 128, as a trace has signed codes."""
    shift = 0 if values.dtype == np.uint8 else 128
    return np.bincount(values.ravel().astype(int) + shift, minlength=256).tolist()


def operators(trace: Trace) -> list[str]:
    return [layer.op for layer in trace.layers]


def test_quantised_convolution(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 3, 6, 6])
    quantised = maker.node("QuantizeLinear", x, scalar(maker, 0.03), zero(maker, 128))
    # Below 64, pairs of products fit 16 bits: processors without VNNI saturate there.
    weight = maker.constant(
        np.random.default_rng(5).integers(-63, 64, (5, 3, 3, 3)).astype(np.int8)
    )
    scales = maker.constant(np.linspace(0.001, 0.005, 5).astype(np.float32))
    bias = maker.constant(np.arange(-200, 300, 100, np.int32))
    y = maker.node(
        "QLinearConv", quantised, maker.nodes[0].input[1], maker.nodes[0].input[2], weight, scales,
        maker.constant(np.zeros(5, np.int8)), scalar(maker, 0.02), zero(maker, 120), bias,
        pads=[1, 1, 1, 1],
    )  # fmt: skip
    out = maker.node("DequantizeLinear", y, maker.nodes[1].input[6], maker.nodes[1].input[7])
    path = maker.save(out)
    values = sample(1, 3, 6, 6)
    trace = import_onnx(path, inputs={"x": values})
    (layer,) = trace.layers
    assert trace.macs() == 36 * 5 * 27
    assert layer.biases == 5
    x_codes, y_codes = run(path, {"x": values}, quantised, y)
    assert layer.input_stats.histogram == histogram(x_codes)
    assert (layer.input_stats.scheme, layer.input_stats.zero_point) == ("per_tensor_symmetric", 0)
    assert layer.input_stats.scale == pytest.approx(0.03)
    assert layer.output_stats.histogram == histogram(y_codes)
    assert layer.output_stats.zero_point == 120 - 128
    assert trace.inputs[0].stats == layer.input_stats
    stats = layer.weight_stats
    assert stats.scheme == "per_column_symmetric"
    assert stats.histogram == histogram(maker.weights[weight])
    assert stats.scale == pytest.approx(0.005)
    assert stats.zero_share == pytest.approx((maker.weights[weight] == 0).mean(), abs=1e-6)

    # The layer computed from the recorded codes alone is the layer of the model.
    padded = np.pad((x_codes[0].astype(int) - 128), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    sums = np.einsum("chwij,ocij->ohw", windows, maker.weights[weight].astype(int))
    sums += maker.weights[bias][:, None, None]
    real = sums * (0.03 * maker.weights[scales])[:, None, None]
    rebuilt = np.clip(np.rint(real / 0.02) + 120, 0, 255)
    assert np.abs(rebuilt - y_codes[0]).max() <= 1  # a tie may round either way


def test_quantised_matmul_add_and_activation(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    scale, offset = scalar(maker, 0.03), zero(maker, 110)
    quantised = maker.node("QuantizeLinear", x, scale, offset)
    weight = codes(maker, np.uint8, 6, 6)
    weight_grid = (scalar(maker, 0.01), zero(maker, 121))
    out_grid = (scalar(maker, 0.05), zero(maker, 130))
    y = maker.node("QLinearMatMul", quantised, scale, offset, weight, *weight_grid, *out_grid)
    domain = "com.microsoft"
    y = maker.node("QLinearAdd", y, *out_grid, quantised, scale, offset, *out_grid, domain=domain)
    y = maker.node("QLinearSigmoid", y, *out_grid, scalar(maker, 1 / 256), zero(maker, 0),
                   domain=domain)  # fmt: skip
    path = maker.save(y)
    values = sample(1, 7, 6)
    trace = import_onnx(path, inputs={"x": values})
    assert operators(trace) == ["linear", "elementwise", "activation"]
    linear = trace.layers[0]
    assert trace.macs() == 7 * 36
    assert linear.weight_stats.scheme == "affine"
    assert linear.weight_stats.zero_point == 121 - 128
    assert linear.weight_stats.histogram == histogram(maker.weights[weight])
    x_codes, product = run(path, {"x": values}, quantised, maker.nodes[1].output[0])
    assert linear.input_stats.histogram == histogram(x_codes)
    sums = (x_codes[0].astype(int) - 110) @ (maker.weights[weight].astype(int) - 121)
    rebuilt = np.clip(np.rint(sums * 0.03 * 0.01 / 0.05) + 130, 0, 255)
    assert np.abs(rebuilt - product[0]).max() <= 1
    assert linear.output_stats.histogram == histogram(product)
    (last,) = run(path, {"x": values}, y)
    assert trace.layers[2].output_stats.histogram == histogram(last)


@pytest.mark.parametrize("kernel", [True, False])
def test_dynamic_quantisation(maker: GraphMaker, kernel: bool) -> None:
    shape = (1, 6, 5, 5) if kernel else (1, 7, 6)
    x = maker.input("x", list(shape))
    made, scale, offset = maker.node("DynamicQuantizeLinear", x, outputs=3)
    weight = codes(maker, np.int8, *((4, 6, 1, 1) if kernel else (6, 4)))
    weight_scale = scalar(maker, 0.01)
    op = "ConvInteger" if kernel else "MatMulInteger"
    sums = maker.node(op, made, weight, offset, zero(maker, 0, np.int8))
    both = maker.node("Mul", scale, weight_scale)
    y = maker.node("Mul", maker.node("Cast", sums, to=1), both)
    path = maker.save(maker.node("Relu", y))
    values = sample(*shape)
    trace = import_onnx(path, inputs={"x": values})
    assert operators(trace) == ["conv2d" if kernel else "linear", "activation"]
    layer = trace.layers[0]
    x_codes, unit, low, output = run(path, {"x": values}, made, scale, offset, y)
    assert layer.input_stats.histogram == histogram(x_codes)
    assert layer.input_stats.scale == pytest.approx(float(unit))
    assert layer.input_stats.zero_point == int(low) - 128
    assert layer.weight_stats.histogram == histogram(maker.weights[weight])
    real = Quantiser().activations(output)
    moved = np.abs(np.array(layer.output_stats.histogram) - real.histogram).sum()
    assert moved <= 2  # float32 sums in another order
    assert layer.output_stats.scale == pytest.approx(real.scale, rel=1e-5)


def test_dequantised_weights_and_activations(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 6, 4, 4])
    grid = (scalar(maker, 0.02), zero(maker, 0, np.int8))
    x = maker.node("DequantizeLinear", maker.node("QuantizeLinear", x, *grid), *grid)
    weight = codes(maker, np.int8, 3, 6, 1, 1)
    scales = maker.constant(np.array([0.1, 0.2, 0.4], np.float32))
    real = maker.node("DequantizeLinear", weight, scales, axis=0)
    y = maker.node("Conv", x, real)
    y = maker.node("DequantizeLinear", maker.node("QuantizeLinear", y, *grid), *grid)
    trace = import_onnx(maker.save(maker.node("Relu", y)), inputs={"x": sample(1, 6, 4, 4)})
    conv, relu = trace.layers
    assert conv.weight_stats.scheme == "per_column_symmetric"
    assert conv.weight_stats.histogram == histogram(maker.weights[weight])
    assert conv.input_stats.scheme == "per_tensor_symmetric"
    assert conv.input_stats.scale == pytest.approx(0.02)
    assert relu.input_stats == conv.output_stats
    assert conv.output_stats.scale == pytest.approx(0.02)
    assert trace.inputs[0].stats == conv.input_stats


@pytest.mark.parametrize("asymmetric", [False, True])
def test_weights_that_are_cast_and_scaled(maker: GraphMaker, asymmetric: bool) -> None:
    x = maker.input("x", [1, 7, 6])
    weight = codes(maker, np.int8, 6, 4)
    real = maker.node("Cast", weight, to=1)
    if asymmetric:
        real = maker.node("Sub", real, scalar(maker, 3))
    scales = maker.constant(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))
    real = maker.node("Mul", real, scalar(maker, 0.5) if asymmetric else scales)
    y = maker.node("Mul", maker.node("MatMul", x, real), scalar(maker, 2.0))
    trace = import_onnx(maker.save(y), inputs={"x": sample(1, 7, 6)})
    (layer,) = trace.layers
    assert layer.weight_stats.histogram == histogram(maker.weights[weight])
    if asymmetric:
        assert (layer.weight_stats.scheme, layer.weight_stats.zero_point) == ("affine", 3)
        assert layer.weight_stats.scale == pytest.approx(1.0)
    else:
        assert layer.weight_stats.scheme == "per_column_symmetric"
        assert layer.weight_stats.scale == pytest.approx(0.8)  # with the factor behind it


def test_scales_within_a_column_leave_real_values(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    weight = codes(maker, np.int8, 6, 4)
    scales = maker.constant(np.linspace(0.1, 0.6, 6, dtype=np.float32)[:, None])
    real = maker.node("Mul", maker.node("Cast", weight, to=1), scales)
    trace = import_onnx(maker.save(maker.node("MatMul", x, real)), inputs={"x": sample(1, 7, 6)})
    dequantised = maker.weights[weight] * maker.weights[scales]
    assert trace.layers[0].weight_stats == Quantiser().weights(dequantised)


def test_the_quantiser_of_the_export(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    y = maker.linear(x, 6, 4)
    real = maker.node("Cast", codes(maker, np.int8, 4, 3), to=1)
    path = maker.save(maker.node("MatMul", maker.node("Relu", y), real))
    quantiser = Quantiser(4, 6, "per_token_symmetric", "sign_magnitude")
    values = sample(1, 7, 6)
    trace = import_onnx(path, inputs={"x": values}, quantiser=quantiser)
    assert (trace.precision.weight, trace.precision.input) == (4, 6)
    first, _, second = trace.layers
    assert first.input_stats == quantiser.activations(values[0])
    assert (first.weight_stats.bits, first.weight_bits) == (4, None)
    assert (second.weight_stats.bits, second.weight_bits) == (8, 8)  # the file's own


def test_quantised_models_map_to_the_layers_of_their_float_twin(maker: GraphMaker) -> None:
    """Fake-quantised nodes change no layer, shape or name's order."""
    twins = []
    for quantised in (False, True):
        graph = GraphMaker(maker.folder)
        x = graph.input("x", [1, 3, 8, 8])
        grid = (scalar(graph, 0.05), zero(graph, 0, np.int8))
        for _ in range(2):
            if quantised:
                x = graph.node("DequantizeLinear", graph.node("QuantizeLinear", x, *grid), *grid)
            x = graph.node("Relu", graph.node("Conv", x, graph.weight(3, 3, 3, 3)))
        twins.append(import_onnx(graph.save(x)))
    plain, fake = twins
    assert operators(plain) == operators(fake)
    assert list(plain.shapes.values()) == list(fake.shapes.values())
    assert plain.macs() == fake.macs()
