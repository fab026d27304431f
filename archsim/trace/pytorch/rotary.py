"""Rotary position embeddings as models write them: one node instead of six."""

from __future__ import annotations

from archsim.trace.onnx.graph import Graph, Node
from archsim.trace.onnx.links import Links

ROTARY = "Rotary"


def fuse_rotary(graph: Graph) -> None:
    """Replace x * cos + concat(-x2, x1) * sin, with x1 and x2 the halves of x, by one node.

    Su et al., "RoFormer", arXiv 2104.09864, equation 34, in the order of channels that LLaMA's
    checkpoints of Hugging Face have. cos and sin are constants.
    """
    links = Links(graph)
    for node in list(graph.nodes):
        group = _match(links, node) if node.op == "Add" else None
        if group is None:
            continue
        source, inner = group
        gone = {id(one) for one in inner}
        name = node.name.rpartition(".")[0]
        fused = Node(ROTARY, f"{name}.rotary" if name else "rotary", [source], node.outputs, {})
        graph.nodes = [fused if one is node else one for one in graph.nodes if id(one) not in gone]


def _match(links: Links, add: Node) -> tuple[str, list[Node]] | None:
    """The tensor that is turned and the nodes before the addition."""
    products = [links.writer.get(name) for name in add.inputs]
    if any(p is None or p.op != "Mul" for p in products):
        return None
    for plain, swapped in (products, products[::-1]):
        if plain is None or swapped is None:
            return None
        source, turned = (_active(links, node) for node in (plain, swapped))
        joined = links.writer.get(turned or "")
        if source is None or joined is None or joined.op != "Concat" or len(joined.inputs) != 2:
            continue
        negative, low = (links.writer.get(name) for name in joined.inputs)
        high = links.writer.get(negative.inputs[0]) if negative and negative.op == "Neg" else None
        if negative is None or low is None or high is None:
            continue
        halves = [one for one in (low, high) if one.op == "Slice" and one.inputs[0] == source]
        if len(halves) == 2 and links.next(plain, "Add") is add and links.next(swapped, "Add"):
            return source, [plain, swapped, joined, negative, low, high]
    return None


def _active(links: Links, product: Node) -> str | None:
    """The one factor of a product that is not a constant."""
    active = [name for name in product.inputs if name not in links.graph.constants]
    return active[0] if len(active) == 1 else None
