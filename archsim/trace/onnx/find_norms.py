"""Finds layer and RMS norms in the nodes that exporters write them as."""

from __future__ import annotations

from collections.abc import Iterable

from archsim.trace.onnx.graph import Node
from archsim.trace.onnx.links import Links, Match, reduced_axes


def layer_norm(links: Links, mean: Node) -> Match | None:
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
    constants = _affine(links, nodes, ("Mul", "Add"))
    return Match(nodes, source, nodes[-1].outputs[0], {"over": over}, constants)


def _affine(links: Links, nodes: list[Node], operators: tuple[str, ...]) -> tuple[str, ...]:
    """The constants of a gain and a shift behind a norm, whose nodes are appended."""
    constants = []
    for op in operators:
        after = links.next(nodes[-1], op)
        other = links.other(after, nodes[-1].outputs[0]) if after else ""
        if after and other in links.graph.constants:
            nodes.append(after)
            constants.append(other)
    return tuple(constants)


def rms_norm(links: Links, mean: Node) -> Match | None:
    """x / sqrt(mean(x^2) + eps), the root also as a reciprocal factor, then * gain."""
    square = links.writer.get(mean.inputs[0])
    over = reduced_axes(links.graph, mean)
    plus = links.next(mean, "Add")
    root = links.next(plus, "Sqrt") if plus else None
    if square is None or root is None or plus is None or not over:
        return None
    source = square.inputs[0] if square.inputs else ""
    if square not in list(_squares(links, {source})):
        return None
    if links.other(plus, mean.outputs[0]) not in links.graph.constants:
        return None
    nodes = [square, mean, plus, root]
    inverse = links.next(root, "Reciprocal")
    ratio = links.next(inverse, "Mul") if inverse else links.next(root, "Div")
    one = links.next(root, "Div")
    if one is not None and links.scalar(one.inputs[0], 1.0):  # 1 / sqrt, then a product
        inverse, ratio = one, links.next(one, "Mul")
    if inverse is not None:
        nodes.append(inverse)
    if ratio is None or links.other(ratio, nodes[-1].outputs[0]) != source:
        return None
    if ratio.op == "Div" and ratio.inputs[0] != source:
        return None
    nodes.append(ratio)
    constants = _affine(links, nodes, ("Mul",))
    return Match(nodes, source, nodes[-1].outputs[0], {"over": over}, constants)


def _squares(links: Links, names: set[str]) -> Iterable[Node]:
    for name in names:
        for node in links.readers.get(name, []):
            power = node.op == "Pow" and links.scalar(node.inputs[1], 2.0)
            if power or (node.op == "Mul" and node.inputs == [name, name]):
                yield node


def _first(nodes: Iterable[Node]) -> Node | None:
    return next(iter(nodes), None)
