"""Operators beyond plain convolutions and attention: layers, MACs, and values where they move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import GraphMaker, sample

from archsim.errors import InputError
from archsim.mapping.primitives import primitives
from archsim.simulation import simulate
from archsim.trace.model import Trace
from archsim.trace.onnx import import_onnx

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


def summary(trace: Trace) -> list[str]:
    """Operator, and function where it has one, of each layer."""
    return [
        layer.op + (f" {layer.function}" if hasattr(layer, "function") else "")
        for layer in trace.layers
    ]


# Norms


def test_norms(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 6, 4, 5])
    y = maker.node("LRN", x, size=5)
    y = maker.node("InstanceNormalization", y, maker.weight(6), maker.weight(6))
    split = maker.node("Reshape", y, maker.constant(np.array([0, 3, -1], np.int64)))
    ones = (maker.constant(np.ones(3)), maker.constant(np.zeros(3)))
    split = maker.node("InstanceNormalization", split, *ones)
    y = maker.node("Reshape", split, maker.constant(np.array([1, 6, 4, 5], np.int64)))
    trace = import_onnx(maker.save(maker.node("Conv", y, maker.weight(2, 6, 1, 1))))
    assert summary(trace) == ["norm local", "norm group", "norm group", "conv2d"]
    local, instance, group = trace.layers[:3]
    assert (local.size, instance.groups, group.groups) == (5, 6, 3)
    shape = (4, 5, 6)
    assert set(group.reach(0, [shape], shape).last) == {19}  # statistics of the whole map
    assert local.reach(0, [shape], shape).last.tolist() == list(range(20))
    # D squares, 4 D additions, D mac, D power, D multiply
    assert primitives(local, [shape], shape) == {
        "multiply": 12, "add": 24, "mac": 6, "nonlinear": 6,
    }  # fmt: skip
    assert instance.biases == 12


@pytest.mark.parametrize("form", ["div", "reciprocal", "one_over"])
def test_rms_norm_from_its_nodes(maker: GraphMaker, form: str) -> None:
    x = maker.input("x", [1, 7, 6])
    mean = maker.node("ReduceMean", maker.node("Pow", x, maker.constant(2.0)), axes=[-1])
    root = maker.node("Sqrt", maker.node("Add", mean, maker.constant(1e-6)))
    if form == "div":
        y = maker.node("Div", x, root)
    elif form == "reciprocal":
        y = maker.node("Mul", x, maker.node("Reciprocal", root))
    else:
        y = maker.node("Mul", x, maker.node("Div", maker.constant(1.0), root))
    trace = import_onnx(maker.save(maker.linear(maker.node("Mul", maker.weight(6), y), 6, 4)))
    assert summary(trace) == ["norm rms", "linear"]
    assert trace.layers[0].biases == 6


def test_gelu_by_tanh(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    cubic = maker.node("Mul", maker.constant(0.044715), maker.node("Pow", x, maker.constant(3.0)))
    inner = maker.node("Mul", maker.constant((2 / np.pi) ** 0.5), maker.node("Add", x, cubic))
    gate = maker.node("Add", maker.constant(1.0), maker.node("Tanh", inner))
    y = maker.node("Mul", x, maker.node("Mul", maker.constant(0.5), gate))
    assert summary(import_onnx(maker.save(y))) == ["activation gelu"]


def test_fused_operators_of_onnxruntime(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    domain = "com.microsoft"
    y = maker.node(
        "SkipLayerNormalization", maker.linear(x, 6, 6), x, maker.weight(6), maker.weight(6),
        domain=domain,
    )  # fmt: skip
    y = maker.node("BiasGelu", y, maker.weight(6), domain=domain)
    y = maker.node("FusedMatMul", y, maker.weight(4, 6), transB=1, domain=domain)
    y = maker.node("FusedMatMul", y, y, transB=1, domain=domain)
    trace = import_onnx(maker.save(y), inputs={"x": sample(1, 7, 6)})
    assert summary(trace) == [
        "linear", "elementwise add", "norm layer", "activation gelu", "linear", "matmul",
    ]  # fmt: skip
    assert trace.macs() == 7 * 36 + 7 * 24 + 7 * 7 * 4
    assert all(layer.output_stats is not None for layer in trace.layers)


def test_fused_convolution(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 3, 5, 5])
    y = maker.node(
        "FusedConv", x, maker.weight(4, 3, 3, 3), maker.weight(4), domain="com.microsoft",
        activation="LeakyRelu", activation_params=[0.1],
    )  # fmt: skip
    trace = import_onnx(maker.save(y), inputs={"x": sample(1, 3, 5, 5)})
    assert summary(trace) == ["conv2d", "activation leaky_relu"]
    assert trace.layers[0].output_stats.minimum == pytest.approx(
        10 * trace.layers[1].output_stats.minimum, rel=1e-5
    )


def test_an_operator_that_onnx_defines_by_others(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    trace = import_onnx(maker.save(maker.node("LogSoftmax", maker.linear(x, 6, 4), axis=-1)))
    assert trace.layers[0].op == "linear"
    assert {"activation exp", "activation log"} <= set(summary(trace))


def test_default_attributes_of_a_function(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 3, 4, 5])
    path = maker.save(maker.node("MeanVarianceNormalization", x))
    trace = import_onnx(path, inputs={"x": sample(1, 3, 4, 5)})
    assert summary(trace).count("reduce mean") == 2
    assert summary(trace)[-1] == "elementwise div"


def test_attention_is_grouped_heads(tmp_path: Path) -> None:
    maker = GraphMaker(tmp_path, opset=23)
    x = maker.input("x", [1, 5, 24])
    q, k, v = (maker.linear(x, 24, columns) for columns in (24, 8, 8))
    path = maker.save(maker.node("Attention", q, k, v, q_num_heads=6, kv_num_heads=2))
    trace = import_onnx(path, inputs={"x": sample(1, 5, 24)})
    products = [layer for layer in trace.layers if layer.op == "matmul"]
    assert [(layer.heads, layer.kv_heads) for layer in products] == [(6, 2), (6, 2)]
    assert trace.macs() == 5 * 24 * 40 + 2 * 6 * 5 * 5 * 4


def test_a_function_of_the_model_is_inlined(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 7, 6])
    y = maker.node("Block", x, maker.weight(6, 4), domain="local")
    model = maker.model(y)
    body = [helper.make_node("MatMul", ["a", "b"], ["c"]), helper.make_node("Relu", ["c"], ["d"])]
    model.functions.append(
        helper.make_function("local", "Block", ["a", "b"], ["d"], body,
                             [helper.make_opsetid("", 17)])
    )  # fmt: skip
    model.opset_import.append(helper.make_opsetid("local", 1))
    onnx.save(model, maker.folder / "m.onnx")
    assert summary(import_onnx(maker.folder / "m.onnx")) == ["linear", "activation relu"]


@pytest.mark.parametrize("taken", [True, False])
def test_an_if_with_a_known_condition(maker: GraphMaker, taken: bool) -> None:
    x = maker.input("x", [1, 7, 6])

    def branch(op: str) -> Any:
        return helper.make_graph(
            [helper.make_node(op, ["x"], [f"{op}.out"])], op, [],
            [helper.make_tensor_value_info(f"{op}.out", TensorProto.FLOAT, None)],
        )  # fmt: skip

    wide = maker.node("Equal", maker.node("Size", x), maker.constant(np.int64(42 if taken else 1)))
    y = maker.node("If", wide, then_branch=branch("Tanh"), else_branch=branch("Exp"))
    path = maker.save(maker.node("Relu", y))
    trace = import_onnx(path, inputs={"x": sample(1, 7, 6)})
    assert summary(trace) == ["activation tanh" if taken else "activation exp", "activation relu"]
    assert trace.layers[0].output_stats is not None


def test_an_integer_without_a_dimension_switches(maker: GraphMaker) -> None:
    maker.input("x", [1, 4])
    rate = maker.input("rate", [], TensorProto.INT64)
    condition = maker.node("Equal", rate, maker.constant(np.int64(16000)))

    def branch(op: str) -> Any:
        return helper.make_graph(
            [helper.make_node(op, ["x"], [f"{op}.out"])], op, [],
            [helper.make_tensor_value_info(f"{op}.out", TensorProto.FLOAT, None)],
        )  # fmt: skip

    y = maker.node("If", condition, then_branch=branch("Tanh"), else_branch=branch("Exp"))
    path = maker.save(y)
    trace = import_onnx(path, inputs={"x": sample(1, 4), "rate": np.array(8000)})
    assert summary(trace) == ["activation exp"]
    assert [item.name for item in trace.inputs] == ["x"]
    with pytest.raises(InputError, match=r"If \(1"):
        import_onnx(path)


# Masks and grouped heads


def test_mask_by_where_and_comparison(maker: GraphMaker) -> None:
    tokens, heads, width = 4, 3, 2
    x = maker.input("x", [1, tokens, heads * width])
    mask = maker.input("mask", [1, tokens], TensorProto.INT64)
    wide = maker.node("Unsqueeze", mask, maker.constant(np.array([1, 2], np.int64)))
    on = maker.node("Greater", wide, maker.constant(np.int64(0)))
    scores = maker.node(
        "MatMul", maker.heads(x, tokens, heads, width, [0, 2, 1, 3]),
        maker.heads(x, tokens, heads, width, [0, 2, 3, 1]),
    )  # fmt: skip
    masked = maker.node("Where", on, scores, maker.constant(-1e9))
    weights = maker.node("Softmax", masked)
    guarded = maker.node("Where", maker.node("IsNaN", weights), maker.constant(0.0), weights)
    bias = maker.node("Where", on, maker.constant(0.0), maker.constant(-1.0))
    trace = import_onnx(
        maker.save(guarded, bias),
        inputs={"x": sample(1, tokens, 6), "mask": np.array([[1, 1, 1, 0]])},
    )
    assert summary(trace) == [
        "activation compare", "matmul", "move resize", "elementwise where", "softmax",
        "activation scale",
    ]  # fmt: skip
    assert trace.layers[4].output_stats is not None


@pytest.mark.parametrize("form", ["repeat", "broadcast"])
def test_grouped_query_attention(maker: GraphMaker, form: str) -> None:
    tokens, heads, shared, width = 5, 6, 2, 4
    x = maker.input("x", [1, tokens, 24])
    q = maker.heads(maker.linear(x, 24, heads * width), tokens, heads, width, [0, 2, 1, 3])
    k, v = (
        maker.heads(maker.linear(x, 24, shared * width), tokens, shared, width, [0, 2, 1, 3])
        for _ in range(2)
    )
    if form == "repeat":

        def every(name: str) -> str:
            lifted = maker.node("Unsqueeze", name, maker.constant(np.array([2], np.int64)))
            size = maker.constant(np.array([1, shared, 3, tokens, width], np.int64))
            flat = maker.constant(np.array([1, heads, tokens, width], np.int64))
            return maker.node("Reshape", maker.node("Expand", lifted, size), flat)

        k, v = maker.node("Transpose", every(k), perm=[0, 1, 3, 2]), every(v)
    else:
        split = maker.constant(np.array([1, shared, 3, tokens, width], np.int64))
        q = maker.node("Reshape", q, split)
        two = maker.constant(np.array([2], np.int64))
        k, v = (maker.node("Unsqueeze", name, two) for name in (k, v))
        k = maker.node("Transpose", k, perm=[0, 1, 2, 4, 3])
    y = maker.node("MatMul", maker.node("Softmax", maker.node("MatMul", q, k)), v)
    path = maker.save(y)
    trace = import_onnx(path, inputs={"x": sample(1, tokens, 24)})
    assert summary(trace) == ["linear"] * 3 + ["matmul", "softmax", "matmul"]
    for layer in trace.layers:
        if layer.op == "matmul":
            assert (layer.heads, layer.kv_heads) == (heads, shared)
            assert layer.output_stats is not None
    assert trace.macs() == tokens * 24 * (24 + 8 + 8) + 2 * heads * tokens * tokens * width
    assert trace.shapes[trace.layers[-1].name] == (tokens, heads * width)


def test_tied_weights_are_counted_once(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 5, 6])
    shared = maker.weight(6, 6)
    y = maker.node("Relu", maker.node("MatMul", x, shared))
    trace = import_onnx(maker.save(maker.node("MatMul", y, shared)))
    first, _, second = trace.layers
    assert second.tied_to == first.name
    assert trace.parameters() == 36


def test_unknown_operators_share_the_digital_unit(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 5, 6])
    values, indices = maker.node("TopK", x, maker.constant(np.array([2], np.int64)), outputs=2)
    trace = import_onnx(
        maker.save(values, indices), inputs={"x": sample(1, 5, 6)}, allow_unknown=True
    )
    assert summary(trace) == ["unknown", "unknown"]
    first, second = trace.layers
    assert (first.operator, trace.shapes[first.name]) == ("TopK", (5, 2))
    assert first.output_stats is not None
    assert second.output_stats is None  # indices are no values
    assert primitives(first, [(5, 6)], (5, 2)) == {"multiply": 2}
    assert set(first.reach(0, [(5, 6)], (5, 2)).last) == {4}


def test_the_operators_run_on_a_chip(maker: GraphMaker) -> None:
    x = maker.input("x", [1, 4, 6, 6])
    y = maker.node("LRN", maker.node("Conv", x, maker.weight(4, 4, 3, 3), pads=[1] * 4), size=3)
    y = maker.node("InstanceNormalization", y, maker.weight(4), maker.weight(4))
    y = maker.node("ConvTranspose", y, maker.weight(4, 4, 3, 3), strides=[2, 2])
    y = maker.node("Hardmax", maker.node("Where", maker.node("Greater", y, y), y, y), axis=1)
    flat = maker.node("Reshape", y, maker.constant(np.array([1, 4, 169], np.int64)))
    steps = maker.node("Transpose", flat, perm=[2, 0, 1])
    y = maker.node(
        "LSTM", steps, maker.weight(2, 12, 4), maker.weight(2, 12, 3), outputs=1, hidden_size=3,
        direction="bidirectional",
    )  # fmt: skip
    trace = import_onnx(maker.save(y), allow_unknown=True)
    assert {"fold", "unknown", "recurrent"} <= {layer.op for layer in trace.layers}
    result = simulate(ROOT / "arch_configs" / "isaac_vpu.yaml", trace, chips=None)
    assert result.macs == trace.macs()
