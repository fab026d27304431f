"""Short layer names from the names of ONNX nodes and weights."""

from __future__ import annotations

import re

from archsim.trace.onnx.graph import Graph, Node

# Module operators whose name in an exported path only repeats the module's.
MODULES = {
    "Conv", "ConvTranspose", "Gemm", "MatMul", "Relu", "Clip", "MaxPool", "AveragePool",
    "GlobalAveragePool", "BatchNormalization", "LayerNormalization", "Sigmoid", "Softmax", "LSTM",
    "GRU",
}  # fmt: skip


def layer_name(node: Node, graph: Graph) -> str:
    """A short name: the node's own, cleaned, else its weight's, else its operator's."""
    op = node.op.removeprefix("Fused:").lower()
    if node.module is not None:
        own = {"MatMul": "", "Gemm": ""} if len(_weights(node, graph)) == 1 else {}
        return node.module + own.get(node.op, f".{op}")
    text = re.sub(r"^p2o\.", "", node.name)
    text = re.sub(r":[A-Z][A-Za-z]+\d+$", "", text)  # part of an expansion
    if node.op.startswith("Fused:"):  # the node's name says Mul or Div, its last step
        text = re.sub(r"(Mul|Div|Add)(?=([._@]?\d+)?$)", op, text)
    if not text or re.fullmatch(r"n?\d+", text):
        text = _weight_name(node, graph) or op
        return re.sub(r"[\s/]+", ".", text)
    parts = [part for part in text.split("/") if part]
    kept: list[str] = []
    for part in parts:
        if kept and part.startswith(kept[-1] + "."):
            kept.pop()
        kept.append(part)
    if len(kept) > 1 and re.sub(r"_\d+$", "", kept[-1]) in MODULES:
        kept.pop()
    return re.sub(r"\s+", "_", ".".join(kept))


def _weights(node: Node, graph: Graph) -> list[str]:
    return [n for n in node.inputs[:2] if n in graph.constants and len(graph.shapes[n]) > 1]


def _weight_name(node: Node, graph: Graph) -> str | None:
    for name in node.inputs[1:2]:
        if name in graph.constants and len(graph.shapes[name]) > 1:
            return re.sub(r"([._]w(eight)?(_\d+)?)$", "", name.rsplit("/", 1)[-1])
    return None
