"""Quantised ONNX operators as dequantise, compute, quantise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from archsim.trace.onnx.expansion import Expansion
from archsim.trace.onnx.graph import node_of

ONE_INPUT = {  # X, its scale and zero point, then those of Y
    "QLinearSigmoid": "Sigmoid", "QLinearLeakyRelu": "LeakyRelu", "QLinearSoftmax": "Softmax",
    "QLinearAveragePool": "AveragePool", "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearReduceMean": "ReduceMean",
}  # fmt: skip
TWO_INPUTS = {"QLinearAdd": "Add", "QLinearMul": "Mul", "QLinearMatMul": "MatMul"}


def _one_input(parts: Expansion) -> None:
    value = parts.add(ONE_INPUT[parts.node.op], parts.dequantise(0), **parts.kept())
    parts.quantise(value, 3)


def _two_inputs(parts: Expansion) -> None:
    product = parts.node.op == "QLinearMatMul"
    left = parts.dequantise(0)
    right = parts.dequantise(3, axis=-1 if product else None)
    parts.quantise(parts.add(TWO_INPUTS[parts.node.op], left, right), 6)


def _conv(parts: Expansion) -> None:
    inputs = [parts.dequantise(0), parts.dequantise(3, axis=0)]
    if parts.optional(8):
        unit = parts.add("Mul", parts.optional(1), parts.optional(4))
        inputs.append(parts.add("Mul", parts.add("Cast", parts.optional(8), to=1), unit))
    parts.quantise(parts.add("Conv", *inputs, **parts.kept()), 6)


def _gemm(parts: Expansion) -> None:
    """A, B with their quantisations, an int32 bias, the quantisation of Y (none: Y is real)."""
    axis = 0 if parts.node.attribute("transB", 0) else -1
    inputs = [parts.dequantise(0), parts.dequantise(3, axis=axis)]
    if parts.optional(6):
        unit = parts.add("Mul", parts.optional(1), parts.optional(4))
        inputs.append(parts.add("Mul", parts.add("Cast", parts.optional(6), to=1), unit))
    real = not parts.optional(7)
    out = parts.add("Gemm", *inputs, output=parts.node.outputs[0] if real else None, **parts.kept())
    if not real:
        parts.quantise(out, 7)


def _concat(parts: Expansion) -> None:
    """Y's scale and zero point come first, then three inputs for each part."""
    count = (len(parts.node.inputs) - 2) // 3
    values = [parts.dequantise(2 + 3 * i) for i in range(count)]
    parts.quantise(parts.add("Concat", *values, **parts.kept()), 0)


def _where(parts: Expansion) -> None:
    value = parts.add("Where", parts.optional(0), parts.dequantise(1), parts.dequantise(4))
    parts.quantise(value, 7)


def _integer_to_float(parts: Expansion) -> None:
    """A, B, their scales, their zero points, a bias."""
    left = parts.real(parts.optional(0), parts.optional(2), parts.optional(4))
    right = parts.real(parts.optional(1), parts.optional(3), parts.optional(5), axis=-1)
    _sum(parts, "MatMul", [left, right], parts.optional(6))


def _dynamic_matmul(parts: Expansion) -> None:
    """A real, B with its quantisation, a bias; A is quantised as it comes."""
    a = parts.node.inputs[0]
    names = [f"{parts.node.label}:A.{part}" for part in ("codes", "scale", "zero")]
    from onnx import helper

    parts.nodes.append(helper.make_node("DynamicQuantizeLinear", [a], names, names[0]))
    right = parts.real(parts.optional(1), parts.optional(2), parts.optional(3), axis=-1)
    left = parts.add("DequantizeLinear", *names)
    _sum(parts, "MatMul", [left, right], parts.optional(4))


def _sum(parts: Expansion, op: str, inputs: Sequence[str], bias: str) -> None:
    out = parts.node.outputs[0]
    if bias:
        parts.add("Add", parts.add(op, *inputs), bias, output=out)
    else:
        parts.add(op, *inputs, output=out)


def _integer_matmul(parts: Expansion) -> None:
    """MatMulInteger and ConvInteger whose scales are applied in some other way: codes as values.

    float32 adds integers exactly up to 2^24.
    """
    from onnx import TensorProto

    values = []
    for index in (0, 1):
        value = parts.add("Cast", parts.node.inputs[index], to=TensorProto.FLOAT)
        if parts.optional(2 + index):
            zero = parts.add("Cast", parts.optional(2 + index), to=TensorProto.FLOAT)
            value = parts.add("Sub", value, zero)
        values.append(value)
    op = parts.node.op.removesuffix("Integer")
    product = parts.add(op, *values, **parts.kept())
    parts.add("Cast", product, output=parts.node.outputs[0], to=TensorProto.INT32)


def scaled_products(model: Any) -> dict[str, tuple[Any, str, str]]:
    """Integer products with their scales behind them: Cast, then Mul by both scales at once.

    By the name of the Mul's output (which the new product writes): the integer node and the names
    of the two scales. This is how dynamic quantisation exports a layer.
    """
    writers = {name: node for node in model.graph.node for name in node.output}
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = {}
    for node in model.graph.node:
        if node.op_type not in ("MatMulInteger", "ConvInteger"):
            continue
        maker = writers.get(node.input[0])
        if maker is None or maker.op_type != "DynamicQuantizeLinear":
            continue
        cast = _only(readers, node.output[0], "Cast")
        product = _only(readers, cast.output[0], "Mul") if cast is not None else None
        if product is None:
            continue
        other = next((n for n in product.input if n != cast.output[0]), None)
        scales = writers.get(other)
        if scales is None or scales.op_type != "Mul" or maker.output[1] not in scales.input:
            continue
        weight = next((n for n in scales.input if n != maker.output[1]), None)
        if weight is not None:
            found[product.output[0]] = (node, maker.output[1], weight)
    return found


def _only(readers: dict[str, list[Any]], name: str, op: str) -> Any:
    users = readers.get(name, [])
    return users[0] if len(users) == 1 and users[0].op_type == op else None


def integer_product(parts: Expansion, integer: Any, scale: str, weight_scale: str) -> None:
    """The Mul behind an integer product becomes that product of real values."""
    names = [*integer.input, "", "", ""]
    kernel = integer.op_type == "ConvInteger"
    left = parts.real(names[0], scale, names[2])
    right = parts.real(names[1], weight_scale, names[3], axis=0 if kernel else -1)
    attributes = node_of(integer).attributes
    parts.add(
        integer.op_type.removesuffix("Integer"), left, right, output=parts.node.outputs[0],
        **attributes,
    )  # fmt: skip


EXPANSIONS: dict[str, Callable[[Expansion], None]] = {
    **dict.fromkeys(ONE_INPUT, _one_input),
    **dict.fromkeys(TWO_INPUTS, _two_inputs),
    "QLinearConv": _conv,
    "QGemm": _gemm,
    "QLinearConcat": _concat,
    "QLinearWhere": _where,
    "MatMulIntegerToFloat": _integer_to_float,
    "DynamicQuantizeMatMul": _dynamic_matmul,
    "MatMulInteger": _integer_matmul,
    "ConvInteger": _integer_matmul,
}
