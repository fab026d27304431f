"""Collects layers while nodes are converted: names, layouts, moves, folded constants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from archsim.trace.layer import LayerBase, ShapeError
from archsim.trace.onnx import layout
from archsim.trace.onnx.graph import Array, Graph, Node
from archsim.trace.onnx.layout import Axes, View
from archsim.trace.operators import Move

# Module operators whose name in an exported path only repeats the module's.
MODULES = {
    "Conv", "Gemm", "MatMul", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool",
    "BatchNormalization", "LayerNormalization", "Sigmoid", "Softmax",
}  # fmt: skip


@dataclass
class Draft:
    """A layer before its statistics: the record and the ONNX tensors that hold its values.

    weight: shape (out, in/groups, kernel...) or (in, out), scaled by what was folded in; None
    where the data is missing or the layer has none. out_axis: the axis of output channels.
    """

    layer: LayerBase
    sources: list[str]
    output: str
    weight: Array | None = None
    out_axis: int = 0
    takes_affine: bool = False


class Builder:
    """The trace under construction."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.views: dict[str, View] = {}
        self.drafts: list[Draft] = []
        self.uses = Counter(name for node in graph.nodes for name in node.inputs)
        self.uses.update(graph.outputs)
        self._names: set[str] = set(graph.inputs)

    def view(self, node: Node, index: int = 0) -> View:
        """The view of a node's input; InputError if it is a constant."""
        name = node.inputs[index]
        if name not in self.views:
            raise self.graph.error(
                f"node '{node.label}' ({node.op}) reads the constant '{name}' where a rule "
                "expects an activation.",
                "Add a rule for it (docs/traces_onnx.md) or simplify the model.",
            )
        return self.views[name]

    def is_constant(self, name: str) -> bool:
        """True for a folded constant, with or without data."""
        return name in self.graph.constants

    def shape(self, name: str) -> tuple[int, ...]:
        """ONNX shape of a tensor."""
        return self.graph.shapes[name]

    def unsupported(self, node: Node, why: str) -> Exception:
        """The error for a use of an operator that the trace can't hold."""
        return self.graph.error(
            f"node '{node.label}' ({node.op}) {why}.",
            "Cut it out of the model, or add a rule (docs/traces_onnx.md).",
        )

    # Layers

    def emit(
        self,
        kind: type[LayerBase],
        node: Node,
        inputs: Sequence[View],
        axes: Axes,
        rank: int,
        *,
        hint: str | None = None,
        output: int = 0,
        tensor: str | None = None,
        weight: Array | None = None,
        out_axis: int = 0,
        takes_affine: bool = False,
        **fields: Any,
    ) -> View:
        """Append a layer and return the view of its output.

        The shape that the layer computes from its inputs must be the one its axes say.
        """
        tensor = tensor or node.outputs[output]
        shape = layout.record_shape(axes, rank)
        try:
            layer = kind.model_validate(
                {
                    "op": get_args(kind.model_fields["op"].annotation)[0],
                    "name": self._name(node, hint),
                    "inputs": [v.record for v in inputs],
                    "shape": list(shape),
                    **fields,
                }
            )
            found = layer.output_shape([v.record_shape for v in inputs])
        except ValidationError as fault:
            first = fault.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise self.unsupported(
                node, f"doesn't fit the trace: {place}: {first['msg']}"
            ) from fault
        except ShapeError as fault:
            raise self.unsupported(node, f"doesn't fit the trace: {fault}") from fault
        if found != shape:
            raise self.unsupported(
                node, f"gives {list(shape)} where the trace computes {list(found)}"
            )
        self.drafts.append(
            Draft(layer, [v.tensor for v in inputs], tensor, weight, out_axis, takes_affine)
        )
        return View(layer.name, rank, axes, tensor, len(self.drafts) - 1, True)

    def pointwise(self, kind: type[LayerBase], node: Node, view: View, **fields: Any) -> View:
        """Append a layer that keeps its input's layout."""
        return self.emit(kind, node, [view], view.axes, view.rank, **fields)

    def relabel(self, view: View, axes: Axes, tensor: str) -> View:
        """The same record under other ONNX axes: no layer."""
        return View(
            view.record, view.rank, axes, view.tensor, view.draft, self.is_sole(view, tensor)
        )

    def is_sole(self, view: View, tensor: str) -> bool:
        """True if nothing else reads the values between the layer and `tensor`."""
        return view.sole and self.uses[tensor] == 1

    def _name(self, node: Node, hint: str | None) -> str:
        base = hint or layer_name(node, self.graph)
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    # Layout

    def arrange(
        self,
        node: Node,
        view: View,
        positions: Sequence[int],
        channels: Sequence[int],
        exact: bool = False,
    ) -> View:
        """The view with these ONNX axes as channels and those as positions.

        The view itself where the record is so already, else a move layer. `exact`: the position
        axes must be the axes of the record, in that order (feature maps).
        """
        pos = [f for axis in positions for f in view.axes[axis]]
        chan = [f for axis in channels for f in view.axes[axis]]
        roles_fit = all(f.is_position for f in pos) and not any(f.is_position for f in chan)
        grid_fits = not exact or (
            view.rank == len(positions)
            and layout.ascending(pos)
            and all(f.key[0] == i for i, a in enumerate(positions) for f in view.axes[a])
        )
        if roles_fit and grid_fits and layout.ascending(chan):
            return view
        wide = [a for a in positions if exact or view.axes[a]]
        shape = view.shape
        axes, rank = layout.fresh(shape, wide, channels)
        if rank > 3:
            raise self.unsupported(node, f"needs {rank} position axes; a record has at most 3")
        # A shuffle inside every position moves no data between positions: not a transpose.
        stays = roles_fit and layout.ascending(pos)
        function = "reshape" if stays or layout.ascending(pos + chan) else "transpose"
        return self.move(node, [view], axes, rank, function, tensor=view.tensor)

    def feature_map(self, node: Node, view: View) -> View:
        """A rank-4 view [N, C, H, W] whose record is (H, W, C)."""
        if len(view.axes) == 3:
            axes = (*view.axes[:2], (), view.axes[2])
            view = View(view.record, view.rank, axes, view.tensor, view.draft, view.sole)
        if len(view.axes) != 4:
            raise self.unsupported(
                node, f"has rank {len(view.axes)}; maps of rank 3 or 4 are known"
            )
        return self.arrange(node, view, (2, 3), (1,), exact=True)

    def move(
        self,
        node: Node,
        inputs: Sequence[View],
        axes: Axes,
        rank: int,
        function: str,
        tensor: str | None = None,
        output: int = 0,
    ) -> View:
        """Append a move layer."""
        return self.emit(
            Move, node, inputs, axes, rank, output=output, tensor=tensor, function=function,
            hint=f"{layer_name(node, self.graph)}.{function}" if tensor else None,
        )  # fmt: skip

    # Constants

    def fold(
        self, node: Node, view: View, tensor: str, constant: str, on_left: bool
    ) -> View | None:
        """Fold `activation op constant` into the layer before it; None where that can't be.

        A bias disappears, a scale goes into the weights. Possible when the layer takes an affine
        function of its output channels, nobody else reads its output, and the constant is one
        value or one per channel.
        """
        if view.draft < 0 or not self.is_sole(view, tensor):
            return None
        draft = self.drafts[view.draft]
        if not draft.takes_affine or (node.op == "Div" and on_left):
            return None
        if not self.is_per_channel(view, constant):
            return None
        value = self.vector(constant)
        if draft.weight is not None and value is None and node.op in ("Mul", "Div"):
            draft.weight = None
        elif draft.weight is not None and value is not None:
            scale = {"Mul": value, "Div": 1 / value if node.op == "Div" else value}.get(node.op)
            if node.op == "Sub" and on_left:
                scale = np.asarray(-1.0)
            if scale is not None:
                self.scale_weight(draft, scale)
        draft.output = node.outputs[0]
        return View(view.record, view.rank, view.axes, node.outputs[0], view.draft, True)

    def scale_weight(self, draft: Draft, scale: Array) -> None:
        """Multiply each output channel of a layer's weight."""
        if draft.weight is None:
            return
        if scale.size > 1:
            dims = [1] * draft.weight.ndim
            dims[draft.out_axis] = -1
            scale = scale.reshape(dims)
        draft.weight = draft.weight * scale

    def is_per_channel(self, view: View, constant: str) -> bool:
        """True for a constant of one value, or of one per channel of the record."""
        shape = self.shape(constant)
        if len(shape) > len(view.axes):
            return False
        padded = (1,) * (len(view.axes) - len(shape)) + shape
        wide = [i for i, extent in enumerate(padded) if extent > 1]
        if not wide:
            return True
        channels = sorted((f for f in view.factors if not f.is_position), key=lambda f: f.key)
        return len(wide) == 1 and list(view.axes[wide[0]]) == channels

    def vector(self, constant: str) -> Array | None:
        """A constant's values as a flat float array, None where the file lacks them."""
        value = self.graph.constants[constant]
        return None if value is None else np.asarray(value, np.float64).ravel()


def layer_name(node: Node, graph: Graph) -> str:
    """A short name: the node's own, cleaned, else its weight's, else its operator's."""
    op = node.op.removeprefix("Fused:").lower()
    text = re.sub(r"^p2o\.", "", node.name)
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


def _weight_name(node: Node, graph: Graph) -> str | None:
    for name in node.inputs[1:2]:
        if name in graph.constants and len(graph.shapes[name]) > 1:
            return re.sub(r"([._]w(eight)?(_\d+)?)$", "", name.rsplit("/", 1)[-1])
    return None
