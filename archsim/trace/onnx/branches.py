"""If nodes whose condition is constant: the branch that is taken replaces them."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.trace.onnx.graph import Graph, Node, node_of


def take_branches(graph: Graph) -> bool:
    """Put the taken branch in place of every If with a constant condition; True if there was one.

    The model's own graph changes too, so that tensors of a branch can be read like any other.
    """
    from archsim.trace.onnx.reading import add_constant

    found = False
    nodes: list[Node] = []
    for node in graph.nodes:
        condition = graph.constants.get(node.inputs[0]) if node.op == "If" else None
        if condition is None:
            nodes.append(node)
            continue
        found = True
        taken = bool(np.all(condition))
        branch = node.attribute("then_branch" if taken else "else_branch")
        for tensor in branch.initializer:
            add_constant(graph, tensor)
            graph.model.graph.initializer.append(tensor)
        inner = [*branch.node, *_renamed(branch, node)]
        nodes += [node_of(proto) for proto in inner]
        _replace(graph.model.graph.node, node.outputs[0], inner)
    graph.nodes = nodes
    return found


def _renamed(branch: Any, node: Node) -> list[Any]:
    """Nodes that give the branch's results the names of the If's outputs."""
    from onnx import helper

    return [
        helper.make_node("Identity", [inner.name], [outer])
        for inner, outer in zip(branch.output, node.outputs, strict=False)
        if outer
    ]


def _replace(nodes: Any, output: str, inner: list[Any]) -> None:
    """Put nodes in the place of the one that writes `output`."""
    index = next(i for i, proto in enumerate(nodes) if output in proto.output)
    after = list(nodes)[index + 1 :]
    del nodes[index:]
    nodes.extend([*inner, *after])
