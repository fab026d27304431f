"""ONNX graphs of convolutional networks: layers, shapes, MACs and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import GraphMaker, shapes, summary

from archsim.trace.onnx import import_onnx


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


def test_conv_batch_norm_relu_is_two_layers(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 3, 9, 8])
    y = maker.node("Conv", x, maker.weight(5, 3, 3, 3), pads=[1, 1, 1, 1], strides=[2, 1])
    trace = import_onnx(maker.save(maker.node("Relu", maker.batch_norm(y, 5))))
    assert summary(trace) == [("conv2d",), ("activation", "relu")]
    assert shapes(trace) == [(5, 8, 5), (5, 8, 5)]
    assert trace.inputs[0].shape == [9, 8, 3]
    assert trace.macs() == 5 * 8 * 5 * 3 * 9
    conv = trace.layers[0]
    assert (conv.kernel, conv.stride, conv.padding) == ((3, 3), (2, 1), (1, 1, 1, 1))


def test_grouped_and_depthwise(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 8, 6, 6])
    grouped = maker.node("Conv", x, maker.weight(12, 2, 1, 1), group=4)
    y = maker.node("Conv", grouped, maker.weight(12, 1, 5, 5), group=12, auto_pad="SAME_UPPER")
    trace = import_onnx(maker.save(y))
    first, second = trace.layers
    assert (first.in_channels, first.out_channels, first.groups, first.rows) == (8, 12, 4, 2)
    assert (second.groups, second.rows, second.padding) == (12, 25, (2, 2, 2, 2))
    assert trace.macs() == 36 * 12 * 2 + 36 * 12 * 25
    assert trace.parameters() == 12 * 2 + 12 * 25


def test_batch_norm_before_a_conv_stays(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 5, 5])
    y = maker.node("Conv", maker.batch_norm(x, 4), maker.weight(4, 4, 1, 1))
    assert summary(import_onnx(maker.save(y))) == [("norm", "batch"), ("conv2d",)]


def test_batch_norm_is_not_folded_into_a_shared_conv(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 5, 5])
    y = maker.node("Conv", x, maker.weight(4, 4, 1, 1))
    trace = import_onnx(maker.save(maker.node("Add", y, maker.batch_norm(y, 4))))
    assert summary(trace) == [("conv2d",), ("norm", "batch"), ("elementwise", "add")]


def test_residual_pool_and_classifier(maker: GraphMaker) -> None:
    x = maker.input("x", ["batch", 4, 12, 12])
    y = maker.node("Conv", x, maker.weight(4, 4, 3, 3), maker.weight(4), pads=[1, 1, 1, 1])
    y = maker.node("Relu", maker.node("Add", y, x))
    y = maker.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    y = maker.node("Flatten", maker.node("GlobalAveragePool", y))
    y = maker.node("Gemm", y, maker.weight(10, 4), maker.weight(10), transB=1)
    trace = import_onnx(maker.save(maker.node("Softmax", y)))
    assert [entry[0] for entry in summary(trace)] == [
        "conv2d", "elementwise", "activation", "pool", "pool", "linear", "softmax",
    ]  # fmt: skip
    assert shapes(trace)[3:] == [(6, 6, 4), (1, 1, 4), (1, 1, 10), (1, 1, 10)]
    assert trace.layers[1].inputs == [trace.layers[0].name, "x"]
    assert trace.macs() == 144 * 4 * 4 * 9 + 4 * 10


def test_squeeze_and_excitation(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 8, 6, 5])
    squeezed = maker.node("ReduceMean", x, axes=[2, 3], keepdims=1)
    inner = maker.node("Relu", maker.node("Conv", squeezed, maker.weight(2, 8, 1, 1)))
    gate = maker.node("HardSigmoid", maker.node("Conv", inner, maker.weight(8, 2, 1, 1)))
    trace = import_onnx(maker.save(maker.node("Mul", x, gate)))
    assert shapes(trace) == [(1, 1, 8), (1, 1, 2), (1, 1, 2), (1, 1, 8), (1, 1, 8), (6, 5, 8)]
    assert summary(trace)[0] == ("pool", "avg")
    assert trace.layers[0].kernel == (6, 5)
    assert summary(trace)[-1] == ("elementwise", "mul")


def test_concat_slice_and_split(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 6, 4, 4])
    maker.constant(np.array([2, 4], np.int64), "sizes")
    small, large = maker.node("Split", x, "sizes", axis=1, outputs=2)
    ends = [maker.constant(np.array([n], np.int64)) for n in (0, 3, 2)]
    top = maker.node("Slice", maker.node("Concat", large, small, axis=1), *ends)
    trace = import_onnx(maker.save(top))
    assert summary(trace) == [
        ("move", "slice"), ("move", "slice"), ("move", "concat"), ("move", "slice"),
    ]  # fmt: skip
    assert shapes(trace) == [(4, 4, 2), (4, 4, 4), (4, 4, 6), (3, 4, 6)]


def test_flatten_of_a_map_costs_a_move(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 3, 4, 5])
    y = maker.node("Gemm", maker.node("Flatten", x), maker.weight(60, 7))
    trace = import_onnx(maker.save(y))
    assert summary(trace) == [("move", "transpose"), ("linear",)]
    assert shapes(trace) == [(60,), (7,)]
    assert trace.macs() == 60 * 7


def test_channel_shuffle_stays_within_positions(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 6, 4, 4])
    split = maker.node("Reshape", x, maker.constant(np.array([1, 2, 3, 4, 4], np.int64)))
    swapped = maker.node("Transpose", split, perm=[0, 2, 1, 3, 4])
    back = maker.node("Reshape", swapped, maker.constant(np.array([1, 6, 4, 4], np.int64)))
    trace = import_onnx(maker.save(maker.node("Conv", back, maker.weight(6, 1, 3, 3), group=6)))
    assert summary(trace) == [("move", "reshape"), ("conv2d",)]
    reach = trace.layers[0].reach(0, [(4, 4, 6)], (4, 4, 6))
    assert reach.last.tolist() == list(range(16))


def test_pad_resize_and_one_dimensional_conv(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 10])
    pads = maker.constant(np.array([0, 0, 1, 0, 0, 1], np.int64))
    y = maker.node("Conv", maker.node("Pad", x, pads), maker.weight(6, 4, 3), strides=[2])
    y = maker.node("Resize", y, "", maker.constant(np.array([1.0, 1.0, 2.0])))
    trace = import_onnx(maker.save(y))
    assert summary(trace) == [
        ("move", "pad"), ("move", "reshape"), ("conv2d",), ("move", "resize"),
    ]  # fmt: skip
    assert shapes(trace)[2:] == [(1, 5, 6), (1, 10, 6)]
    assert trace.macs() == 5 * 6 * 4 * 3


@pytest.mark.parametrize("late", [True, False])
def test_activation_patterns(maker: GraphMaker, late: bool) -> None:
    x = maker.input("x", [1, 4, 5, 5])
    silu = maker.node("Mul", x, maker.node("Sigmoid", x))
    plus = maker.node("Add", silu, maker.constant(3.0))
    gate = maker.node("Clip", plus, maker.constant(0.0), maker.constant(6.0))
    if late:
        hard = maker.node("Div", maker.node("Mul", silu, gate), maker.constant(6.0))
    else:
        hard = maker.node("Mul", silu, maker.node("Div", gate, maker.constant(6.0)))
    gated = maker.node("HardSigmoid", hard, alpha=1 / 6)
    trace = import_onnx(
        maker.save(maker.node("Mul", maker.gelu(maker.node("Mul", hard, gated)), x))
    )
    assert summary(trace) == [
        ("activation", "silu"), ("activation", "hardswish"), ("activation", "hardswish"),
        ("activation", "gelu"), ("elementwise", "mul"),
    ]  # fmt: skip


def test_a_pattern_whose_inside_is_read_elsewhere_is_left_alone(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4])
    gate = maker.node("Sigmoid", x)
    trace = import_onnx(maker.save(maker.node("Mul", x, gate), gate))
    assert summary(trace) == [("activation", "sigmoid"), ("elementwise", "mul")]
