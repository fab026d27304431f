"""The conversion rules by ONNX operator type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Graph, Node

Rule = Callable[[Builder, Node], None]
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of these ONNX operators.

    A rule reads `builder.views` of the node's inputs and sets those of its outputs.
    """

    def register(function: Rule) -> Rule:
        for operator in operators:
            RULES[operator] = function
        return function

    return register


def check_supported(graph: Graph) -> None:
    """InputError that lists every operator without a rule: type, count and first node."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for node in graph.nodes:
        if node.op not in RULES and node.op not in ("Shape", "Size"):  # they fold, or lack shapes
            counts[node.op] += 1
            first.setdefault(node.op, node.label)
    if counts:
        listed = ", ".join(f"{op} ({n}, first '{first[op]}')" for op, n in sorted(counts.items()))
        raise graph.error(
            f"uses operators that have no rule: {listed}.",
            "Cut them out of the model, or add a rule for each (docs/traces_onnx.md).",
        )
