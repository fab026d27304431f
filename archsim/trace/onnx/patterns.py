"""Groups of ONNX nodes that are one operator of the trace: GELU, SiLU, hard-swish, layer norm.

A match becomes one node with a name of its own (FUSED), reading the group's input and writing its
last output. Tensors inside a group must have no reader outside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archsim.trace.onnx.graph import Graph, Node

FUSED = {"gelu": "Fused:gelu", "silu": "Fused:silu", "hardswish": "Fused:hardswish"}
FUSED_NORM = "Fused:layernorm"
DROPPED = ("Identity", "Dropout", "Cast", "CastLike")


@dataclass(frozen=True)
class Match:
    """A group of nodes, the tensor it reads, the tensor it writes, attributes of the new node."""

    nodes: list[Node]
    source: str
    result: str
    attributes: dict[str, Any] = field(default_factory=dict)


class Links:
    """Who writes and who reads each tensor."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.writer = graph.producers()
        self.readers = graph.consumers()

    def next(self, node: Node, op: str) -> Node | None:
        """The only reader of a node's output, if it is an `op`."""
        name = node.outputs[0]
        users = self.readers.get(name, [])
        if name in self.graph.outputs or len(users) != 1 or users[0].op != op:
            return None
        return users[0]

    def other(self, node: Node, name: str) -> str:
        """The other input of a node with two inputs."""
        return node.inputs[1] if node.inputs[0] == name else node.inputs[0]

    def scalar(self, name: str, expected: float) -> bool:
        """True for a constant of one value close to `expected`."""
        value = self.graph.constants.get(name)
        return (
            value is not None
            and value.size == 1
            and math.isclose(float(np.ravel(value)[0]), expected, rel_tol=1e-3, abs_tol=1e-9)
        )

    def times(self, node: Node | None, factor: float) -> str | None:
        """The tensor that a node multiplies by a constant factor (or divides by its inverse)."""
        if node is None or node.op not in ("Mul", "Div"):
            return None
        left, right = node.inputs[:2]
        if node.op == "Div":
            return left if self.scalar(right, 1 / factor) else None
        if self.scalar(right, factor):
            return left
        return right if self.scalar(left, factor) else None

    def plus(self, node: Node | None, term: float) -> str | None:
        """The tensor to which a node adds a constant."""
        if node is None or node.op != "Add":
            return None
        left, right = node.inputs[:2]
        if self.scalar(right, term):
            return left
        return right if self.scalar(left, term) else None

    def scaled(self, node: Node, factor: float) -> Node | None:
        """The only reader of a node's output, if it multiplies by a constant factor."""
        for op in ("Mul", "Div"):
            after = self.next(node, op)
            if self.times(after, factor) == node.outputs[0]:
                return after
        return None


def drop_identities(graph: Graph) -> None:
    """Remove Identity, Dropout and Cast: their output is another name of their input."""
    alias: dict[str, str] = {}
    kept = []
    for node in graph.nodes:
        node.inputs = [alias.get(name, name) for name in node.inputs]
        if node.op in DROPPED:
            alias[node.outputs[0]] = node.inputs[0]
        else:
            kept.append(node)
    graph.nodes = kept
    graph.outputs = [alias.get(name, name) for name in graph.outputs]


def fuse(graph: Graph) -> None:
    """Replace every match, most specific pattern first."""
    finders: list[tuple[str, str, Callable[[Links, Node], Match | None]]] = [
        ("ReduceMean", FUSED_NORM, _layer_norm),
        ("Erf", FUSED["gelu"], _gelu),
        ("Clip", FUSED["hardswish"], _hardswish_by_clip),
        ("HardSigmoid", FUSED["hardswish"], _hardswish_by_hardsigmoid),
        ("Sigmoid", FUSED["silu"], _silu),
    ]
    for op, name, find in finders:
        links = Links(graph)
        for start in [node for node in graph.nodes if node.op == op]:
            match = find(links, start)
            if match and _closed(links, match):
                _replace(graph, name, match)
                links = Links(graph)


def _closed(links: Links, match: Match) -> bool:
    nodes, result = match.nodes, match.result
    inside = {id(node) for node in nodes}
    inner = [name for node in nodes for name in node.outputs if name != result]
    return not any(name in links.graph.outputs for name in inner) and all(
        id(user) in inside for name in inner for user in links.readers.get(name, [])
    )


def _replace(graph: Graph, op: str, match: Match) -> None:
    nodes, result = match.nodes, match.result
    last = next(node for node in nodes if result in node.outputs)
    gone = {id(node) for node in nodes}
    fused = Node(op, last.name, [match.source], [result], match.attributes)
    graph.nodes = [
        fused if node is last else node
        for node in graph.nodes
        if node is last or id(node) not in gone
    ]


def _gelu(links: Links, erf: Node) -> Match | None:
    """x * 0.5 * (1 + erf(x / sqrt(2))), the three factors in any order."""
    shrink = links.writer.get(erf.inputs[0])
    source = links.times(shrink, math.sqrt(0.5))
    plus = links.next(erf, "Add")
    if shrink is None or source is None or links.plus(plus, 1.0) is None or plus is None:
        return None
    nodes = [shrink, erf, plus]
    product = links.next(plus, "Mul")
    if product is None:
        return None
    other = links.other(product, plus.outputs[0])
    half = links.writer.get(other)
    if half is not None and links.times(half, 0.5) == source:  # (x / 2) * (1 + erf)
        return Match([*nodes, half, product], source, product.outputs[0])
    if links.scalar(other, 0.5):  # (0.5 * (1 + erf)) * x
        last = links.next(product, "Mul")
        if last is None or links.other(last, product.outputs[0]) != source:
            return None
        return Match([*nodes, product, last], source, last.outputs[0])
    after = links.scaled(product, 0.5)
    if other == source and after is not None:  # (x * (1 + erf)) * 0.5
        return Match([*nodes, product, after], source, after.outputs[0])
    return None


def _silu(links: Links, sigmoid: Node) -> Match | None:
    """x * sigmoid(x), also as x * sigmoid(1 * x)."""
    source = sigmoid.inputs[0]
    nodes = [sigmoid]
    product = links.next(sigmoid, "Mul")
    if product is None:
        return None
    other = links.other(product, sigmoid.outputs[0])
    unit = links.writer.get(source)
    if other != source and unit is not None and links.times(unit, 1.0) == other:
        nodes.append(unit)
        source = other
    return Match([*nodes, product], source, product.outputs[0]) if other == source else None


def _hardswish_by_clip(links: Links, clip: Node) -> Match | None:
    """x * clip(x + 3, 0, 6) / 6, divided before or after the product."""
    low, high = clip.optional(1), clip.optional(2)
    if low is None and high is None:
        bounds = clip.attribute("min") == 0.0 and clip.attribute("max") == 6.0
    else:
        bounds = links.scalar(low or "", 0.0) and links.scalar(high or "", 6.0)
    plus = links.writer.get(clip.inputs[0])
    source = links.plus(plus, 3.0)
    if not bounds or plus is None or source is None:
        return None
    gate, nodes = clip, [plus, clip]
    early = links.scaled(clip, 1 / 6)
    if early is not None:
        gate = early
        nodes.append(early)
    product = links.next(gate, "Mul")
    if product is None or links.other(product, gate.outputs[0]) != source:
        return None
    nodes.append(product)
    if early is not None:
        return Match(nodes, source, product.outputs[0])
    late = links.scaled(product, 1 / 6)
    return Match([*nodes, late], source, late.outputs[0]) if late is not None else None


def _hardswish_by_hardsigmoid(links: Links, gate: Node) -> Match | None:
    """x * hardsigmoid(x) with slope 1/6 (another slope is no hard-swish)."""
    slope = float(gate.attribute("alpha", 0.2))
    product = links.next(gate, "Mul")
    if product is None or not math.isclose(slope, 1 / 6, rel_tol=1e-3):
        return None
    source = gate.inputs[0]
    if links.other(product, gate.outputs[0]) != source:
        return None
    return Match([gate, product], source, product.outputs[0])


def _layer_norm(links: Links, mean: Node) -> Match | None:
    """(x - mean) / sqrt(mean((x - mean)^2) + eps), then * scale and + bias where they follow."""
    source = mean.inputs[0]
    over = reduced_axes(links.graph, mean)
    if not over or not mean.attribute("keepdims", 1):
        return None
    centred = [n for n in links.readers.get(mean.outputs[0], []) if n.op == "Sub"]
    if not centred or any(n.inputs != [source, mean.outputs[0]] for n in centred):
        return None
    names = {n.outputs[0] for n in centred}
    square = _first(_squares(links, names))
    variance = links.next(square, "ReduceMean") if square else None
    plus = links.next(variance, "Add") if variance else None
    root = links.next(plus, "Sqrt") if plus else None
    if square is None or variance is None or plus is None or root is None:
        return None
    if reduced_axes(links.graph, variance) != over:
        return None
    if links.other(plus, variance.outputs[0]) not in links.graph.constants:
        return None
    ratio = links.next(root, "Div")
    if ratio is None or ratio.inputs[0] not in names or ratio.inputs[1] != root.outputs[0]:
        return None
    nodes = [mean, *centred, square, variance, plus, root, ratio]
    for op in ("Mul", "Add"):
        affine = links.next(nodes[-1], op)
        if affine and links.other(affine, nodes[-1].outputs[0]) in links.graph.constants:
            nodes.append(affine)
    return Match(nodes, source, nodes[-1].outputs[0], {"over": over})


def _squares(links: Links, names: set[str]) -> Iterable[Node]:
    for name in names:
        for node in links.readers.get(name, []):
            power = node.op == "Pow" and links.scalar(node.inputs[1], 2.0)
            if power or (node.op == "Mul" and node.inputs == [name, name]):
                yield node


def _first(nodes: Iterable[Node]) -> Node | None:
    return next(iter(nodes), None)


def reduced_axes(graph: Graph, node: Node) -> list[int] | None:
    """Axes a Reduce node runs over, counted from 0; None if they are not constant."""
    shape = graph.shapes.get(node.inputs[0])
    if shape is None:
        return None
    rank = len(shape)
    axes = node.attribute("axes")
    name = node.optional(1)
    if name is not None:
        value = graph.constants.get(name)
        if value is None:
            return None
        axes = np.ravel(value).tolist()
    if axes is None:
        return list(range(rank))
    return sorted(int(a) % rank for a in axes)
