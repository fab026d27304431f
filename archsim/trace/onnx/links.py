"""Who reads and writes each tensor, for finding groups of nodes that belong together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archsim.trace.onnx.graph import Graph, Node


@dataclass(frozen=True)
class Match:
    """A group of nodes, the tensor it reads, the tensor it writes, parts of the new node."""

    nodes: list[Node]
    source: str
    result: str
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: tuple[str, ...] = ()  # further inputs of the new node: gain and shift


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
