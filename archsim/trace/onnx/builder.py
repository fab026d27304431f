"""Collects layers while nodes are converted: names, layouts, moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from archsim.trace.layer import LayerBase, ShapeError
from archsim.trace.onnx import layout
from archsim.trace.onnx.graph import Array, Graph, Node
from archsim.trace.onnx.layout import Axes, View
from archsim.trace.onnx.naming import layer_name
from archsim.trace.onnx.record import Draft, Record
from archsim.trace.onnx.weights import Weight
from archsim.trace.operators import Move


class Unsupported(Exception):
    """A node that no layer stands for: the importer lists them all."""

    def __init__(self, node: Node, why: str):
        super().__init__(why)
        self.node, self.why = node, why


class Builder:
    """The trace under construction."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.views: dict[str, View] = {}
        self.drafts: list[Draft] = []
        self.sources: dict[str, Record] = {}  # graph inputs
        self._holders: dict[str, str] = {}  # the first layer with a stored weight
        self.uses = Counter(name for node in graph.nodes for name in node.inputs)
        self.uses.update(graph.outputs)
        self._names: set[str] = set(graph.inputs)

    def view(self, node: Node, index: int = 0) -> View:
        """The view of a node's input; Unsupported if it is a constant."""
        name = node.inputs[index]
        if name not in self.views:
            raise self.unsupported(
                node, f"reads the constant '{name}' where a rule expects an activation"
            )
        return self.views[name]

    def is_constant(self, name: str) -> bool:
        """True for a folded constant, with or without data."""
        return name in self.graph.constants

    def shape(self, name: str) -> tuple[int, ...]:
        """ONNX shape of a tensor."""
        return self.graph.shapes[name]

    def unsupported(self, node: Node, why: str) -> Unsupported:
        """The exception for a use of an operator that the trace can't hold."""
        return Unsupported(node, why)

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
        derive: Callable[[Array], Array] | None = None,
        weight: Weight | None = None,
        takes_affine: bool = False,
        holder: int | None = None,
        stored: str | None = None,
        **fields: Any,
    ) -> View:
        """Append a layer and return the view of its output.

        The shape that the layer computes from its inputs must be the one its axes say. tensor:
        the ONNX tensor with the layer's values, the node's output by default; derive: what makes
        them of it. takes_affine: a factor or term per output channel may be folded in, the factor
        into the weights of draft number `holder`, its own by default. stored: the constant with
        its weights; a later layer with the same one is tied to the first.
        """
        tensor = tensor or node.outputs[output]
        shape = layout.record_shape(axes, rank)
        name = self._name(node, hint)
        if stored is not None:
            root = self.graph.roots.get(stored, stored)
            fields["tied_to"] = self._holders.get(root)
        try:
            layer = kind.model_validate(
                {
                    "op": get_args(kind.model_fields["op"].annotation)[0],
                    "name": name,
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
        if stored is not None:
            self._holders.setdefault(root, name)
        if takes_affine and holder is None:
            holder = len(self.drafts)
        record = Record(layer.name, tensor, axes, rank, derive)
        self.drafts.append(Draft(layer, record, weight, holder))
        return View(layer.name, rank, axes, tensor, len(self.drafts) - 1, True)

    def pointwise(self, kind: type[LayerBase], node: Node, view: View, **fields: Any) -> View:
        """Append a layer that keeps its input's layout."""
        return self.emit(kind, node, [view], view.axes, view.rank, **fields)

    def relabel(self, view: View, axes: Axes, node: Node, output: int = 0) -> View:
        """The record of a node's first activation as its output, with these axes: no layer."""
        source = next(name for name in node.inputs if name in self.views)
        return View(
            view.record, view.rank, axes, node.outputs[output], view.draft,
            self.is_sole(view, source),
        )  # fmt: skip

    def records(self) -> Iterator[Record]:
        """Where the values of every graph input and layer are."""
        yield from self.sources.values()
        yield from (draft.record for draft in self.drafts)

    def rename(self, view: View, node: Node) -> View:
        """The view's layer now ends with this node: what it computes is part of the layer."""
        name = node.outputs[0]
        self.drafts[view.draft].record = Record(view.record, name, view.axes, view.rank)
        return View(view.record, view.rank, view.axes, name, view.draft, True)

    def draft_of(self, name: str) -> int:
        """Number of the draft of a layer; -1 for an input of the graph."""
        return next((i for i, d in enumerate(self.drafts) if d.layer.name == name), -1)

    def behind(self, index: int, *kinds: type) -> int:
        """The draft behind a chain of layers of these kinds, `index` its last; -1 for an input."""
        while index >= 0 and isinstance(self.drafts[index].layer, kinds):
            index = self.draft_of(self.drafts[index].layer.inputs[0])
        return index

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
