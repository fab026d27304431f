"""Finds GELU, SiLU and hard-swish in the nodes that exporters write them as."""

from __future__ import annotations

import math

from archsim.trace.onnx.graph import Node
from archsim.trace.onnx.links import Links, Match


def gelu(links: Links, erf: Node) -> Match | None:
    """x * 0.5 * (1 + erf(x / sqrt(2))), the three factors in any order."""
    shrink = links.writer.get(erf.inputs[0])
    source = links.times(shrink, math.sqrt(0.5))
    plus = links.next(erf, "Add")
    if shrink is None or source is None:
        return None
    return _gated(links, plus, source, [shrink, erf])


def gelu_by_tanh(links: Links, tanh: Node) -> Match | None:
    """x * 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), Hendrycks and Gimpel, 2016."""
    shrink = links.writer.get(tanh.inputs[0])
    inner = links.times(shrink, math.sqrt(2 / math.pi))
    total = links.writer.get(inner or "")
    if shrink is None or total is None or total.op != "Add":
        return None
    for source in total.inputs:
        cubic = _made_of(links, links.other(total, source), source)
        plus = links.next(tanh, "Add")
        match = _gated(links, plus, source, [*cubic, total, shrink, tanh]) if cubic else None
        if match is not None:
            return match
    return None


def _made_of(links: Links, name: str, source: str) -> list[Node]:
    """The products and powers that make a tensor of `source` and constants; none if others do."""
    node = links.writer.get(name)
    if node is None or node.op not in ("Mul", "Pow"):
        return []
    found = [node]
    for inner in node.inputs:
        if inner != source and inner not in links.graph.constants:
            deeper = _made_of(links, inner, source)
            if not deeper:
                return []
            found += [n for n in deeper if n not in found]
    return found


def _gated(links: Links, plus: Node | None, source: str, nodes: list[Node]) -> Match | None:
    """The end of a GELU: the gate plus one, times x, times one half, in any order."""
    if plus is None or links.plus(plus, 1.0) is None:
        return None
    nodes = [*nodes, plus]
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


def silu(links: Links, sigmoid: Node) -> Match | None:
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


def hardswish_by_clip(links: Links, clip: Node) -> Match | None:
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


def hardswish_by_hardsigmoid(links: Links, gate: Node) -> Match | None:
    """x * hardsigmoid(x) with slope 1/6 (another slope is no hard-swish)."""
    slope = float(gate.attribute("alpha", 0.2))
    product = links.next(gate, "Mul")
    if product is None or not math.isclose(slope, 1 / 6, rel_tol=1e-3):
        return None
    source = gate.inputs[0]
    if links.other(product, gate.outputs[0]) != source:
        return None
    return Match([gate, product], source, product.outputs[0])
