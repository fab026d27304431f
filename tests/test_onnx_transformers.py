"""ONNX graphs of transformers: attention, tables, masks, and the moves between them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from onnx_graphs import GraphMaker, shapes, summary

from archsim.trace.onnx import import_onnx


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


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
