"""Rules for recurrent layers: LSTM, GRU and RNN."""

from __future__ import annotations

from functools import partial

import numpy as np

from archsim.trace.onnx import layout
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.folding import elements
from archsim.trace.onnx.graph import Array, Graph, Node
from archsim.trace.onnx.layout import CHANNEL, Axes, Axis, Factor, View
from archsim.trace.onnx.registry import rule
from archsim.trace.onnx.weights import Weight
from archsim.trace.operators import Move, Recurrent

RECURRENT = ("LSTM", "GRU", "RNN")


def drop_initial_states(graph: Graph) -> None:
    """Cut off the first state of recurrent nodes, which the trace's layers keep themselves."""
    for node in graph.nodes:
        if node.op in RECURRENT:
            node.inputs = [name if i not in (5, 6) else "" for i, name in enumerate(node.inputs)]


@rule(*RECURRENT)
def recurrent(builder: Builder, node: Node) -> None:
    """One layer per direction; the reversed one runs between two flips.

    Outputs: Y has every step, Y_h and Y_c the last one alone. The cell state has no record of
    its own: a Y_c that is read counts as a slice of the layer's output.
    """
    view = builder.view(node)
    if not all(builder.is_constant(name) for name in node.inputs[1:5] if name):
        raise builder.unsupported(node, "has weights or sequence lengths that aren't constant")
    time, batch = (1, 0) if node.attribute("layout", 0) else (0, 1)
    if view.shape[batch] != 1:
        raise builder.unsupported(node, f"has a batch of {view.shape[batch]}")
    view = builder.arrange(node, view, [time], [2])
    directions, hidden = builder.shape(node.inputs[2])[0], builder.shape(node.inputs[2])[2]
    backwards = [node.attribute("direction", "forward") == "reverse", True][:directions]
    found = [
        _direction(builder, node, view, index, time, reverse)
        for index, reverse in enumerate(backwards)
    ]
    merged, steps = found[0], found[0].axes[0]
    way: Axis = ()
    last: Axis = found[0].axes[1]
    if directions > 1:
        way, last = (Factor((CHANNEL, 0), 2),), (Factor((CHANNEL, 1), hidden),)
        merged = builder.emit(
            Move, node, found, (steps, way, last), merged.rank, function="concat",
            derive=partial(_both, time=time),
        )  # fmt: skip
    axes = ((), steps, way, last) if time else (steps, way, (), last)
    builder.views[node.outputs[0]] = View(
        merged.record, merged.rank, axes, node.outputs[0], merged.draft
    )
    for name in node.outputs[1:]:
        if name and builder.uses[name]:
            builder.views[name] = _last(builder, node, merged, name, layout.size(steps))


def _direction(
    builder: Builder, node: Node, view: View, index: int, time: int, reverse: bool
) -> View:
    """The layer of one direction; its axes are (steps, hidden) in the order of time."""
    directions, _, hidden = builder.shape(node.inputs[2])
    steps = tuple(f for axis in view.axes for f in axis if f.is_position)
    axes: Axes = (steps, (Factor((CHANNEL, 0), hidden),) if hidden > 1 else ())
    if reverse:
        view = builder.move(node, [view], view.axes, view.rank, "flip", tensor=view.tensor)
    made = builder.emit(
        Recurrent, node, [view], axes, view.rank,
        derive=partial(_one, index=index, time=time, reverse=reverse),
        weight=_weight(builder, node, index),
        stored=node.inputs[1] if directions == 1 else None,
        biases=elements(builder, node.optional(3)) // directions,
        cell=node.op.lower(), in_features=view.shape[2], hidden=hidden,
    )  # fmt: skip
    if not reverse:
        return made
    return builder.emit(
        Move, node, [made], axes, made.rank, function="flip", hint=f"{made.record}.flip",
        derive=partial(_one, index=index, time=time, reverse=False),
    )  # fmt: skip


def _weight(builder: Builder, node: Node, index: int) -> Weight | None:
    """Input weights above those of the layer's own output, gates side by side."""
    parts = [builder.graph.constants[name] for name in node.inputs[1:3]]
    if any(part is None for part in parts):
        return None
    stacked = np.concatenate([part[index].T for part in parts if part is not None])
    return Weight(stacked, np.ones(1), np.zeros(1))


def _one(values: Array, index: int, time: int, reverse: bool) -> Array:
    """One direction of Y as (steps, hidden); reverse: in the order in which it is computed."""
    found: Array = values[0, :, index] if time else values[:, index, 0]
    return found[::-1] if reverse else found


def _both(values: Array, time: int) -> Array:
    """Y as (steps, directions, hidden)."""
    found: Array = values[0] if time else values[:, :, 0]
    return found


def _last(builder: Builder, node: Node, view: View, name: str, steps: int) -> View:
    """Y_h or Y_c, the result of each direction's last step: [directions, 1, hidden]."""
    shape = builder.shape(name)
    axes, rank = layout.fresh(shape, [], [i for i, extent in enumerate(shape) if extent > 1])
    if steps == 1 and name == node.outputs[1]:
        return View(view.record, view.rank, axes, name, view.draft)
    one_way = len(view.axes) == 2
    return builder.emit(
        Move, node, [view], axes, rank, function="slice", tensor=name,
        hint=f"{view.record}.last", start=steps - 1 if one_way else None,
    )  # fmt: skip
