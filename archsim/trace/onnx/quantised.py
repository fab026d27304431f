"""Rules for the nodes around integer codes: the record stays, its codes are noted."""

from __future__ import annotations

from dataclasses import replace

from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Grid, Node
from archsim.trace.onnx.registry import rule


@rule("QuantizeLinear")
def quantise(builder: Builder, node: Node) -> None:
    """Codes with one scale become the record's values; with several it keeps its real ones."""
    scale, zero = node.inputs[1], node.optional(2)
    _to_codes(builder, node, scale, zero, builder.shape(scale) in ((), (1,)))


@rule("DynamicQuantizeLinear")
def quantise_dynamically(builder: Builder, node: Node) -> None:
    """Unsigned codes whose scale follows from the values; no layer computes the scale."""
    _to_codes(builder, node, node.outputs[1], node.outputs[2], True)
    if any(builder.uses[name] for name in node.outputs[1:] if name not in _grids(builder)):
        raise builder.unsupported(node, "has a scale that is read on its own")


def _grids(builder: Builder) -> set[str | None]:
    """Scales and zero points that only say what codes mean."""
    graph = builder.graph
    read = [n for n in graph.nodes if n.op in ("DequantizeLinear", "QuantizeLinear")]
    own = {name for node in read for name in node.inputs[1:]}
    other = {n for node in graph.nodes if node not in read for n in node.inputs}
    return own - other  # type: ignore[return-value]


def _to_codes(builder: Builder, node: Node, scale: str, zero: str | None, known: bool) -> None:
    view, source, out = builder.view(node), node.inputs[0], node.outputs[0]
    if known:
        builder.graph.grids[out] = Grid(scale, zero)
        if view.draft >= 0 and builder.is_sole(view, source):
            builder.views[out] = builder.rename(view, node)
            return
        if view.draft < 0 and builder.is_sole(view, source):
            held = builder.sources[view.record]
            builder.sources[view.record] = replace(held, tensor=out, axes=view.axes)
            builder.views[out] = replace(view, tensor=out)
            return
    builder.views[out] = builder.relabel(view, view.axes, node)


@rule("DequantizeLinear")
def dequantise(builder: Builder, node: Node) -> None:
    """The record is the same; its values stay those of the codes."""
    view, source = builder.view(node), node.inputs[0]
    builder.views[node.outputs[0]] = replace(view, sole=builder.is_sole(view, source))
