"""What a folded constant was in the file: the tensor it comes from, and its integer codes."""

from __future__ import annotations

import numpy as np

from archsim.trace.onnx.graph import Array, Codes, Graph, Node

# Operators that give the same values in another form.
FORMS = {
    "Identity", "Cast", "DequantizeLinear", "Transpose", "Reshape", "Squeeze", "Unsqueeze",
    "Flatten", "Dropout",
}  # fmt: skip
SOURCES = {"Constant", "ConstantOfShape"}


def note(graph: Graph, node: Node) -> None:
    """Follow a node that was folded: its output's root and, for dequantised weights, its codes."""
    out = node.outputs[0]
    if node.op in SOURCES:
        graph.roots[out] = out
    elif node.op in FORMS and node.inputs[0] in graph.roots:
        graph.roots[out] = graph.roots[node.inputs[0]]
    found = _codes(graph, node)
    if found is not None and graph.constants[out] is not None:
        graph.codes[out] = found
        root = next((graph.roots[n] for n in node.inputs if n in graph.codes), None)
        if root is not None:
            graph.roots.setdefault(out, root)


def _codes(graph: Graph, node: Node) -> Codes | None:
    source = node.inputs[0] if node.inputs else ""
    value = graph.constants.get(source)
    if node.op == "DequantizeLinear" and value is not None:
        return _dequantised(graph, node, value)
    if node.op == "Cast" and value is not None and is_code(value):
        return _plain(value)
    if node.op in ("Mul", "Div", "Sub"):
        return _affine(graph, node)
    old = graph.codes.get(source)
    if old is None:
        return None
    if node.op in ("Identity", "Cast"):
        return old
    if node.op == "Transpose":
        order = node.attribute("perm")
        scale, zero = (np.broadcast_to(a, old.values.shape) for a in (old.scale, old.zero))
        return Codes(
            old.values.transpose(order), scale.transpose(order), zero.transpose(order),
            old.bits, old.signed,
        )  # fmt: skip
    return None


def is_code(value: Array) -> bool:
    """True for an array of 8-bit or 4-bit integers."""
    return value.dtype.name in ("int8", "uint8", "int4", "uint4")


def _plain(value: Array, scale: Array | None = None, zero: Array | None = None) -> Codes:
    name = value.dtype.name
    return Codes(
        values=value.astype(np.int8 if name == "int4" else np.uint8) if "4" in name else value,
        scale=np.ones((), np.float64) if scale is None else scale,
        zero=np.zeros((), np.int64) if zero is None else zero,
        bits=4 if "4" in name else 8,
        signed=not name.startswith("u"),
    )


def _dequantised(graph: Graph, node: Node, value: Array) -> Codes | None:
    if not is_code(value):
        return None
    parts = []
    for index, kind in ((1, np.float64), (2, np.int64)):
        name = node.optional(index)
        part = graph.constants.get(name) if name else None
        if name and part is None:
            return None
        parts.append(None if part is None else _along(part.astype(kind), value, node))
    return _plain(value, *parts)


def _along(part: Array, value: Array, node: Node) -> Array:
    """A scale or zero point in a shape that broadcasts to the codes."""
    if part.size == 1:
        return part.reshape(())
    axis = int(node.attribute("axis", 1)) % value.ndim
    block = int(node.attribute("block_size", 0))
    if block:
        return np.repeat(part, block, axis=axis)[tuple(slice(n) for n in value.shape)]
    shape = [1] * value.ndim
    shape[axis] = -1
    return part.reshape(shape)


def _affine(graph: Graph, node: Node) -> Codes | None:
    """Codes behind one more scale, or behind their zero point."""
    left, right = node.inputs[:2]
    if left not in graph.codes and node.op == "Mul":
        left, right = right, left
    old, by = graph.codes.get(left), graph.constants.get(right)
    if (
        old is None
        or by is None
        or np.broadcast_shapes(by.shape, old.values.shape) != (old.values.shape)
    ):
        return None
    if node.op == "Sub":
        exact = bool(np.all(old.scale == 1) and np.all(by == np.rint(by)))
        zero = old.zero + by.astype(np.int64)
        return Codes(old.values, old.scale, zero, old.bits, old.signed) if exact else None
    factor = by.astype(np.float64)
    if np.any(factor <= 0):  # a negative scale would swap the codes' signs
        return None
    scale = old.scale * factor if node.op == "Mul" else old.scale / factor
    return Codes(old.values, scale, old.zero, old.bits, old.signed)
