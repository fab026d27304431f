"""The conversion rules by ONNX operator type."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from archsim.errors import InputError
from archsim.trace.onnx.builder import Builder, Unsupported
from archsim.trace.onnx.graph import Graph, Node

Rule = Callable[[Builder, Node], None]
RULES: dict[str, Rule] = {}
FOLDED = ("Shape", "Size")  # they fold, or lack shapes


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of these ONNX operators.

    A rule reads `builder.views` of the node's inputs and sets those of its outputs.
    """

    def register(function: Rule) -> Rule:
        for operator in operators:
            RULES[operator] = function
        return function

    return register


def without_rule(graph: Graph) -> list[Node]:
    """Nodes whose operator has no rule."""
    return [node for node in graph.nodes if node.op not in RULES and node.op not in FOLDED]


def no_cost(graph: Graph, nodes: Sequence[Node], unfit: Sequence[Unsupported]) -> InputError:
    """The error for operators without a rule (type, count and first node) or that don't fit one."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for node in nodes:
        counts[node.op] += 1
        first.setdefault(node.op, node.label)
    parts = []
    if counts:
        listed = ", ".join(f"{op} ({n}, first '{first[op]}')" for op, n in sorted(counts.items()))
        parts.append(f"uses operators that have no rule: {listed}")
    if unfit:
        listed = "; ".join(f"node '{u.node.label}' ({u.node.op}) {u.why}" for u in unfit)
        parts.append(f"has operators that do not fit a trace: {listed}")
    fix = "Cut them out of the model, or add a rule for each (docs/traces_onnx.md)."
    if not any(holds_weights(graph, node) for node in [*nodes, *(u.node for u in unfit)]):
        fix = (
            "Cut them out of the model, add a rule for each (docs/traces_onnx.md), or let them "
            "count as unknown operators: allow_unknown (--allow-unknown)."
        )
    return graph.error(", and ".join(parts) + ".", fix)


def holds_weights(graph: Graph, node: Node) -> bool:
    """True for an operator with a stored matrix: it cannot count as one operation per element."""
    return any(
        name in graph.roots and len(graph.shapes[name]) > 1 and math.prod(graph.shapes[name]) > 1
        for name in node.inputs
        if name
    )
