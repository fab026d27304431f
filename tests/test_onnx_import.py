"""ONNX graphs become the layers, shapes and values that they compute."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx_graphs import GraphMaker

from archsim.errors import InputError
from archsim.trace.model import Trace
from archsim.trace.onnx import import_onnx


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


def summary(trace: Trace) -> list[tuple[str, ...]]:
    """(operator, function) of each layer."""
    return [
        (layer.op, layer.function) if hasattr(layer, "function") else (layer.op,)
        for layer in trace.layers
    ]


def shapes(trace: Trace) -> list[tuple[int, ...]]:
    return [trace.shapes[layer.name] for layer in trace.layers]


def sample(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


# Convolutional networks


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


# Transformers


def test_encoder_block(maker: GraphMaker) -> None:
    tokens, heads, width = 6, 4, 5
    total = heads * width
    x = maker.input("x", ["batch", tokens, total])
    trace = import_onnx(maker.save(maker.encoder_block(x, tokens, heads, width)))
    assert summary(trace) == [
        ("norm", "layer"), ("linear",), ("linear",), ("linear",), ("matmul",),
        ("activation", "scale"), ("softmax",), ("matmul",), ("linear",), ("elementwise", "add"),
        ("norm", "layer"), ("linear",), ("activation", "gelu"), ("linear",),
        ("elementwise", "add"),
    ]  # fmt: skip
    scores, context = (layer for layer in trace.layers if layer.op == "matmul")
    assert (scores.heads, scores.k, scores.n, scores.transposed) == (heads, width, tokens, True)
    assert (context.heads, context.k, context.n, context.transposed) == (
        heads, tokens, width, False,
    )  # fmt: skip
    assert trace.shapes[scores.name] == (tokens, heads * tokens)
    assert trace.shapes[context.name] == (tokens, total)
    assert trace.layers[6].groups == heads
    attention = 2 * heads * tokens * tokens * width
    assert trace.macs() == tokens * (4 * total * total + 8 * total * total) + attention
    assert trace.parameters() == 12 * total * total


def test_joint_qkv_is_cut_by_slices(maker: GraphMaker) -> None:
    tokens, heads, width = 5, 2, 3
    x = maker.input("x", [1, tokens, 6])
    joint = maker.linear(x, 6, 18)
    shape = maker.constant(np.array([0, -1, 3, heads, width], np.int64))
    parts = maker.node("Transpose", maker.node("Reshape", joint, shape), perm=[2, 0, 3, 1, 4])
    q, k, v = (maker.node("Gather", parts, maker.constant(np.int64(i)), axis=0) for i in range(3))
    scores = maker.node("MatMul", q, maker.node("Transpose", k, perm=[0, 1, 3, 2]))
    trace = import_onnx(maker.save(maker.node("MatMul", maker.node("Softmax", scores), v)))
    assert summary(trace) == [
        ("linear",), ("move", "slice"), ("move", "slice"), ("move", "slice"), ("matmul",),
        ("softmax",), ("matmul",),
    ]  # fmt: skip
    assert shapes(trace)[1:] == [(5, 6), (5, 6), (5, 6), (5, 10), (5, 10), (5, 6)]


def test_embedding_with_shape_arithmetic(maker: GraphMaker) -> None:
    ids = maker.input("ids", ["batch", "tokens"], TensorProto.INT64)
    y = maker.node("Gather", maker.weight(30, 8), ids)
    length = maker.node("Gather", maker.node("Shape", ids), maker.constant(np.int64(1)))
    ends = maker.node("Unsqueeze", length, maker.constant(np.array([0], np.int64)))
    places = maker.node("Slice", maker.weight(16, 8), maker.constant(np.array([0], np.int64)), ends)
    y = maker.node("ReduceMean", maker.node("Add", y, places), axes=[1], keepdims=0)
    trace = import_onnx(maker.save(y), shapes={"ids": [1, 7]})
    assert summary(trace) == [("embedding",), ("activation", "scale"), ("reduce", "mean")]
    assert trace.inputs[0].shape == [7, 1]
    assert shapes(trace) == [(7, 8), (7, 8), (8,)]
    assert trace.parameters() == 30 * 8


def test_tokens_of_a_feature_map_need_no_move(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 6, 3, 4])
    flat = maker.node("Reshape", x, maker.constant(np.array([1, 6, 12], np.int64)))
    y = maker.linear(maker.node("Transpose", flat, perm=[0, 2, 1]), 6, 5)
    y = maker.node("Transpose", y, perm=[0, 2, 1])
    back = maker.node("Reshape", y, maker.constant(np.array([1, 5, 3, 4], np.int64)))
    trace = import_onnx(maker.save(maker.node("Conv", back, maker.weight(2, 5, 1, 1))))
    assert summary(trace) == [("linear",), ("conv2d",)]
    assert shapes(trace) == [(3, 4, 5), (3, 4, 2)]


def test_a_rotated_map_is_a_transpose(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 2, 4, 5])
    y = maker.node("Transpose", maker.node("Relu", x), perm=[0, 1, 3, 2])
    trace = import_onnx(maker.save(maker.node("Conv", y, maker.weight(3, 2, 1, 3))))
    assert summary(trace) == [("activation", "relu"), ("move", "transpose"), ("conv2d",)]
    assert shapes(trace)[1:] == [(5, 4, 2), (5, 2, 3)]


def test_mixing_positions_is_a_transpose(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    y = maker.linear(maker.node("Transpose", x, perm=[0, 2, 1]), 7, 3)
    trace = import_onnx(maker.save(y))
    assert summary(trace) == [("move", "transpose"), ("linear",)]
    assert shapes(trace) == [(6, 7), (6, 3)]


def test_class_token_and_pick(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 8, 3, 3])
    flat = maker.node("Reshape", x, maker.constant(np.array([1, 8, 9], np.int64)))
    tokens = maker.node("Transpose", flat, perm=[0, 2, 1])
    joined = maker.node("Concat", maker.weight(1, 1, 8), tokens, axis=1)
    first = maker.node("Gather", joined, maker.constant(np.int64(0)), axis=1)
    trace = import_onnx(maker.save(maker.linear(first, 8, 4)))
    assert summary(trace) == [("move", "pad"), ("move", "slice"), ("linear",)]
    assert [math.prod(s[:-1]) for s in shapes(trace)] == [10, 1, 1]
    assert trace.macs() == 8 * 4


def test_a_mask_is_spread_over_heads(maker: GraphMaker) -> None:
    tokens, heads, width = 4, 3, 2
    x = maker.input("x", [1, tokens, heads * width])
    mask = maker.input("mask", [1, tokens], TensorProto.INT64)
    wide = maker.node("Unsqueeze", mask, maker.constant(np.array([1, 2], np.int64)))
    bias = maker.node("Mul", maker.node("Cast", wide, to=1), maker.constant(-1e4))
    q = maker.heads(x, tokens, heads, width, [0, 2, 1, 3])
    k = maker.heads(x, tokens, heads, width, [0, 2, 3, 1])
    masked = maker.node("Add", maker.node("MatMul", q, k), bias)
    trace = import_onnx(maker.save(maker.node("Softmax", masked)))
    assert summary(trace) == [
        ("activation", "scale"), ("matmul",), ("move", "resize"), ("elementwise", "add"),
        ("softmax",),
    ]  # fmt: skip
    assert shapes(trace) == [(4, 1), (4, 12), (4, 12), (4, 12), (4, 12)]


# Errors


def test_every_unknown_operator_is_named_at_once(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 5, 5])
    y = maker.node("LRN", maker.node("LRN", x, size=3), size=3)
    y = maker.node("NonZero", maker.node("Relu", y))
    with pytest.raises(InputError) as caught:
        import_onnx(maker.save(y))
    text = str(caught.value)
    assert "LRN (2, first 'LRN_0')" in text
    assert "NonZero (1, first 'NonZero_3')" in text
    assert "Relu" not in text
    assert "model.onnx" in text


def test_an_operator_of_another_domain_is_named(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4])
    y = maker.node("Secret", maker.node("Relu", x), domain="vendor")
    model = maker.model(maker.node("Relu", y))
    model.opset_import.append(helper.make_opsetid("vendor", 1))
    onnx.save(model, maker.folder / "m.onnx")
    with pytest.raises(InputError, match=r"Secret \(1, first 'Secret_1'\)"):
        import_onnx(maker.folder / "m.onnx")


def test_a_run_learns_the_shapes_that_inference_does_not_know(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 5, 4])
    y = maker.node("Gelu", maker.linear(x, 4, 6), domain="com.microsoft")
    model = maker.model(maker.linear(y, 6, 3))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, maker.folder / "m.onnx")
    trace = import_onnx(maker.folder / "m.onnx")
    assert summary(trace) == [("linear",), ("activation", "gelu"), ("linear",)]
    assert trace.macs() == 5 * (4 * 6 + 6 * 3)


@pytest.mark.parametrize("content", [b"", b"not a model at all", bytes(range(256)) * 8])
def test_corrupt_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.onnx: (is not a readable ONNX|holds no graph)"):
        import_onnx(path)


def test_truncated_and_missing_files(maker: GraphMaker, tmp_path: Path) -> None:
    x = maker.input("x", [1, 4])
    path = maker.save(maker.linear(x, 4, 400))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="truncated"):
        import_onnx(path)
    with pytest.raises(InputError, match="no such file"):
        import_onnx(tmp_path / "absent.onnx")
    with pytest.raises(InputError):
        import_onnx(tmp_path)


def test_dynamic_dimensions(maker: GraphMaker) -> None:
    x = maker.input("x", ["batch", 3, "height", 8])
    path = maker.save(maker.node("Conv", x, maker.weight(4, 3, 1, 1)))
    with pytest.raises(InputError, match=r"dynamic dimensions: \['batch', 3, 'height', 8\]"):
        import_onnx(path)
    assert import_onnx(path, shapes={"x": [1, 3, 6, 8]}).macs() == 48 * 12
    assert import_onnx(path, inputs={"x": sample(1, 3, 2, 8)}).macs() == 16 * 12
    with pytest.raises(InputError, match="doesn't fit"):
        import_onnx(path, shapes={"x": [1, 4, 6, 8]})
    with pytest.raises(InputError, match=r"no input 'y'.*Valid here: x"):
        import_onnx(path, shapes={"y": [1, 3, 6, 8]})
    with pytest.raises(InputError, match="batch of 2"):
        import_onnx(path, shapes={"x": [2, 3, 6, 8]})


def test_not_a_number_is_named(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4])
    path = maker.save(maker.node("Relu", maker.node("Sqrt", x)))
    with pytest.raises(InputError, match=r"tensor 'Sqrt_0\.0' has NaN or infinite"):
        import_onnx(path, inputs={"x": -np.ones((1, 4), np.float32)})


def test_inputs_without_weights_are_refused(maker: GraphMaker, tmp_path: Path) -> None:
    x = maker.input("x", [1, 3, 4, 4])
    model = maker.model(maker.node("Conv", x, maker.weight(64, 3, 3, 3)))
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="data.bin", size_threshold=0)
    with_data = import_onnx(path, inputs={"x": sample(1, 3, 4, 4)})
    assert with_data.layers[0].weight_stats is not None
    (tmp_path / "data.bin").unlink()
    assert import_onnx(path).macs() == with_data.macs() == 4 * 64 * 27
    with pytest.raises(InputError, match="no weights"):
        import_onnx(path, inputs={"x": sample(1, 3, 4, 4)})
