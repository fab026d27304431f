"""ATen operators that multiply, look up or normalise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import fx

from archsim.trace.onnx.graph import Array
from archsim.trace.pytorch.emitter import Emitter
from archsim.trace.pytorch.registry import rule

Ints = Sequence[int]


@rule("linear")
def linear(e: Emitter, node: fx.Node, input: Any, weight: Any, bias: Any) -> None:
    """x W' + b."""
    turned = _turned(e, node, weight)
    if bias is None:
        e.emit("MatMul", node, [input, turned])
    else:
        e.emit("Add", node, [e.emit("MatMul", node, [input, turned], "product"), bias])


def _turned(e: Emitter, node: fx.Node, weight: Any) -> str:
    """A matrix transposed: one constant for all products with it."""
    name = e.name(weight)
    rows = e.graph.constants.get(name)
    if rows is None:
        shape = e.graph.shapes[name][::-1]
        return e.emit(
            "Transpose", node, [weight], "turned", shape, of=weight, derive=np.transpose,
            perm=[1, 0],
        )  # fmt: skip
    made = f"{name}.T"
    if made not in e.graph.constants:
        e.constant(rows.T, made)
        if name in e.graph.roots:
            e.graph.roots[made] = e.graph.roots[name]
        e.pieces[made] = e.pieces.get(name, [])
    return made


@rule("matmul", "bmm", "mm")
def matmul(e: Emitter, node: fx.Node, **given: Any) -> None:
    """A product of matrices."""
    left, right = list(given.values())[:2]
    e.emit("MatMul", node, [left, right])


@rule("mv", "dot")
def vector(e: Emitter, node: fx.Node, source: Any, **given: Any) -> None:
    """A product with a vector, as one with a matrix of one column."""
    (other,) = list(given.values())[:1]
    tall = (*e.graph.shapes[e.name(other)], 1)
    if e.live(other):
        column = e.emit(
            "Reshape", node, [other], "column", tall, of=other, derive=lambda a: a[..., None]
        )
    else:
        column = e.joined(node, e.array(other)[:, None], [other], "column")
    shape = (*e.shape(node), 1)
    product = e.emit("MatMul", node, [source, column], "product", shape)
    e.emit("Reshape", node, [product])


@rule("addmm")
def add_product(
    e: Emitter, node: fx.Node, source: Any, mat1: Any, mat2: Any, beta: float, alpha: float
) -> None:
    """beta * source + alpha * mat1 @ mat2."""
    product = e.emit("MatMul", node, [mat1, mat2], "product")
    if alpha != 1:
        product = e.emit("Mul", node, [product, alpha], "scaled")
    if beta != 1:
        source = e.emit("Mul", node, [source, beta], "term", e.graph.shapes[e.name(source)])
    e.emit("Add", node, [product, source])


@rule("convolution", "conv1d", "conv2d", "conv3d")
def conv(
    e: Emitter, node: fx.Node, input: Any, weight: Any, bias: Any, stride: Ints, padding: Any,
    dilation: Ints, groups: int, transposed: bool = False, output_padding: Ints = (0,),
) -> None:  # fmt: skip
    """A convolution; padding in PyTorch is the same on both sides, but for 'same'."""
    kernel = e.graph.shapes[e.name(weight)][2:]
    rank = len(kernel)
    steps = _each(dilation, rank)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
        pads = [n // 2 for n in total] + [n - n // 2 for n in total]
    else:
        pads = 2 * _each([0] if padding == "valid" else padding, rank)
    extra: dict[str, Any] = {}
    if transposed:
        extra["output_padding"] = _each(output_padding, rank)
    e.emit(
        "ConvTranspose" if transposed else "Conv", node, [input, weight, bias], group=groups,
        strides=_each(stride, rank), pads=pads, dilations=steps, **extra,
    )  # fmt: skip


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(e: Emitter, node: fx.Node, **given: Any) -> None:
    """A transposed convolution."""
    conv(e, node, transposed=True, **given)


@rule("embedding")
def embedding(e: Emitter, node: fx.Node, weight: Any, indices: Any, **rest: Any) -> None:
    """Rows of a table."""
    if e.live(indices):
        e.emit("Gather", node, [weight, indices], axis=0)
        return
    ids = e.flow.ids_behind(indices)
    assert ids is not None  # the flow made sure
    shape = e.graph.shapes[e.name(indices)] if indices.name in e.captured.inputs else (
        tuple(e.results[indices.name][0])
    )  # fmt: skip
    name = e.name(ids)
    if shape != e.shape(ids):
        name = e.emit(
            "Reshape", node, [name], "ids", shape, of=ids, derive=lambda a: a.reshape(shape)
        )
    e.emit("Gather", node, [weight, name], axis=0)


@rule("_embedding_bag", "embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(
    e: Emitter, node: fx.Node, weight: Any, indices: Any, offsets: Any, mode: int = 0, **rest: Any
) -> None:
    """Rows of a table, and their sum, mean or maximum: one bag for one inference."""
    shape = e.results[node.name][0]
    ids = e.flow.ids_behind(indices)
    if shape[0] != 1 or ids is None:
        e.refused(node, f"embedding_bag of {shape[0]} bags")
        return
    count = e.results[indices.name][0][0]
    name = e.name(ids)
    if e.shape(ids) != (count,):
        name = e.emit("Reshape", node, [name], "ids", (count,), of=ids, derive=np.ravel)
    rows = e.emit("Gather", node, [weight, name], "rows", (count, shape[1]), axis=0)
    e.sources.pop(rows)  # the rows have no tensor of their own
    op = ("ReduceSum", "ReduceMean", "ReduceMax")[mode]
    e.emit(op, node, [rows], axes=[0], keepdims=1)
    e.alias_entry(node, 0, f"{node.name}.0")


# Norms


@rule("batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm",
      "_native_batch_norm_legit")  # fmt: skip
def batch_norm(
    e: Emitter, node: fx.Node, input: Any, weight: Any, bias: Any, eps: float,
    running_mean: Any = None, running_var: Any = None, training: bool = False, **rest: Any,
) -> None:  # fmt: skip
    """With running statistics, which can be folded; with the batch's own it is an instance norm."""
    size = e.graph.shapes[e.name(input)][1]
    gain = np.ones(size, np.float32) if weight is None else weight
    shift = np.zeros(size, np.float32) if bias is None else bias
    given = [_named(e, node, gain, "gain"), _named(e, node, shift, "shift")]
    if training or running_mean is None or running_var is None:
        e.emit("InstanceNormalization", node, [input, *given], epsilon=eps)
    else:
        e.emit("BatchNormalization", node, [input, *given, running_mean, running_var], epsilon=eps)


def _named(e: Emitter, node: fx.Node, value: Any, part: str) -> str:
    return e.constant(value, f"{node.name}:{part}") if isinstance(value, np.ndarray) else (
        e.name(value)
    )  # fmt: skip


@rule("layer_norm", "native_layer_norm")
def layer_norm(
    e: Emitter, node: fx.Node, input: Any, normalized_shape: Ints, weight: Any, bias: Any, **r: Any
) -> None:
    """Over the last axes."""
    e.emit("LayerNormalization", node, [input, weight, bias], axis=-len(normalized_shape))


@rule("rms_norm", "_fused_rms_norm")
def rms_norm(
    e: Emitter, node: fx.Node, input: Any, normalized_shape: Ints, weight: Any, **rest: Any
) -> None:
    """Over the last axes."""
    e.emit("RMSNormalization", node, [input, weight], axis=-len(normalized_shape))


@rule("group_norm", "native_group_norm")
def group_norm(
    e: Emitter, node: fx.Node, input: Any, weight: Any, bias: Any, num_groups: int = 0,
    group: int = 0, **rest: Any,
) -> None:  # fmt: skip
    """Over the positions and a group of channels."""
    groups = num_groups or group
    e.emit("GroupNormalization", node, [input, weight, bias], num_groups=groups)


@rule("instance_norm")
def instance_norm(
    e: Emitter, node: fx.Node, input: Any, weight: Any, bias: Any, **rest: Any
) -> None:
    """Over the positions, each channel alone."""
    e.emit("InstanceNormalization", node, [input, weight, bias])


@rule("softmax", "_softmax", "_safe_softmax")
def softmax(e: Emitter, node: fx.Node, source: Any, dim: int, **rest: Any) -> None:
    """Over one axis."""
    e.emit("Softmax", node, [source], axis=dim)


# Recurrent layers, one layer each (archsim.trace.pytorch.decompositions)


@rule("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(
    e: Emitter, node: fx.Node, input: Any, hx: Any, params: Sequence[Any] = (),
    has_biases: bool = True, bidirectional: bool = False, batch_first: bool = False, **rest: Any,
) -> None:  # fmt: skip
    """An ONNX node of one or two directions, which has the time first and the batch second."""
    name = str(node.target).split(".")[1]
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    ways = 2 if bidirectional else 1
    if "data" in rest:
        e.refused(node, "recurrent layer of a packed sequence")
        return
    if any(map(e.live, states)):
        e.refused(node, "recurrent layer with a first state that is computed")
        return
    per_way = len(params) // ways
    live = any(map(e.live, params))
    arrays = [] if live else [e.array(one) for one in params]
    hidden = e.results[node.name][1][-1]
    if per_way != (4 if has_biases else 2) or live:
        e.refused(node, "recurrent layer with a projection")
        return
    if arrays[1].shape[1] != hidden:
        e.refused(node, "recurrent layer with a projection")
        return
    parts = [arrays[way * per_way : (way + 1) * per_way] for way in range(ways)]
    owners = [params[way * per_way : (way + 1) * per_way] for way in range(ways)]
    stacked = [
        e.joined(node, np.stack([part[i] for part in parts]), [o[i] for o in owners], word)
        for i, word in enumerate(("weight", "recurrence"))
    ]
    bias = ""
    if has_biases:
        values = np.stack([np.concatenate(part[2:]) for part in parts])
        bias = e.joined(node, values, [one for o in owners for one in o[2:]], "bias")
    shape = e.results[node.name][0]
    batch, length = (shape[0], shape[1]) if batch_first else (shape[1], shape[0])
    source = e.name(input)
    if batch_first:
        width = e.graph.shapes[source][2]
        source = e.emit(
            "Transpose", node, [input], "steps", (length, batch, width), perm=[1, 0, 2],
            of=input, derive=lambda a: a.transpose(1, 0, 2),
        )  # fmt: skip
    every = f"{node.name}:every"
    e.graph.shapes[every] = (length, ways, batch, hidden)
    e.describe(every, node, 0, lambda a: _every(a, batch_first, ways))
    ends = []
    for i in range(1, len(e.results[node.name])):
        ends.append(f"{node.name}.{i}")
        e.graph.shapes[ends[-1]] = e.results[node.name][i]
        e.describe(ends[-1], node, i)
    op = {"lstm": "LSTM", "gru": "GRU"}.get(name, "RNN")
    e.raw(
        op, e.label(node, name), [source, *stacked, *([bias] if bias else [])], [every, *ends],
        hidden_size=hidden, direction="bidirectional" if ways == 2 else "forward",
    )  # fmt: skip
    order = [2, 0, 1, 3] if batch_first else [0, 2, 1, 3]
    split = (batch, length) if batch_first else (length, batch)
    turned = e.emit("Transpose", node, [every], "turned", (*split, ways, hidden), perm=order)
    joined = f"{node.name}.0"
    e.graph.shapes[joined] = shape
    e.describe(joined, node, 0)
    e.raw("Reshape", e.label(node, name), [turned], [joined])


def _every(values: Array, batch_first: bool, ways: int) -> Array:
    """(T, B, ways * H) as ONNX has it, (T, ways, B, H)."""
    plain = values.transpose(1, 0, 2) if batch_first else values
    length, batch, width = plain.shape
    found: Array = plain.reshape(length, batch, ways, width // ways).transpose(0, 2, 1, 3)
    return found


def _each(value: Ints, rank: int) -> list[int]:
    """One number per axis."""
    numbers = list(value)
    return numbers * rank if len(numbers) == 1 else numbers
