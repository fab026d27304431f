"""Every node by its rule, and the nodes that have none."""

from __future__ import annotations

from archsim.trace.onnx.builder import Builder, Unsupported
from archsim.trace.onnx.graph import Node
from archsim.trace.onnx.masks import follow_masks
from archsim.trace.onnx.movement import default_layout
from archsim.trace.onnx.registry import RULES, holds_weights, no_cost
from archsim.trace.operators import Unknown


def convert(builder: Builder, allow_unknown: bool) -> None:
    """Turn all nodes of the builder's graph into layers.

    A node without a rule, or one that its rule can't hold, becomes an `unknown` layer; unless
    `allow_unknown`, an InputError then lists them all.
    """
    graph = builder.graph
    missing: list[Node] = []
    unfit: list[Unsupported] = []
    for node in graph.nodes:
        known = len(builder.drafts)
        try:
            if node.op in RULES:
                RULES[node.op](builder, node)
                follow_masks(builder, known)
                continue
            missing.append(node)
        except Unsupported as fault:
            unfit.append(fault)
            del builder.drafts[known:]
        try:
            _unknown(builder, node)
        except Unsupported as fault:
            raise no_cost(graph, missing, [*unfit, fault]) from fault
    if (missing or unfit) and not allow_unknown:
        raise no_cost(graph, missing, unfit)
    weights = [node for node in missing if holds_weights(graph, node)]
    heavy = [fault for fault in unfit if holds_weights(graph, fault.node)]
    if weights or heavy:  # as an operation per element the model would lose them
        raise no_cost(graph, weights, heavy)


def _unknown(builder: Builder, node: Node) -> None:
    """One layer for each output that is read."""
    views = [builder.views[name] for name in dict.fromkeys(node.inputs) if name in builder.views]
    if not views:
        raise builder.unsupported(node, "has no input that the trace knows")
    for index, name in enumerate(node.outputs):
        if not name or not builder.uses[name]:
            continue
        shape = builder.shape(name)
        alike = next((view for view in views if view.shape == shape), None)
        axes, rank = (alike.axes, alike.rank) if alike else default_layout(shape)
        builder.views[name] = builder.emit(
            Unknown, node, views, axes, rank, output=index, operator=node.op
        )
