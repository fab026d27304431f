"""The trace as operations to place: fused activations, producers and consumers, buffer needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from archsim.trace import operators as op
from archsim.trace.layer import LayerBase, TensorShape, channels, positions
from archsim.trace.model import Trace
from archsim.trace.window import Reach

HOST = -1  # consumer of the model's outputs


@dataclass(frozen=True)
class Feed:
    """One input of an operation: the producing operation and the positions needed."""

    producer: int
    which: int
    reach: Reach

    @property
    def one_to_one(self) -> bool:
        """True if output position n needs input position n alone."""
        positions = np.arange(len(self.reach.last))
        return bool(
            np.array_equal(self.reach.first, positions)
            and np.array_equal(self.reach.last, positions)
        )


@dataclass
class Operation:
    """Layers that run as one flow: a layer and the activations fused behind it.

    `layer` is None for an input of the model, which comes from outside the chip. `stored` is the
    operation whose results a stored tensor keeps; memory outside the chip gives no back-pressure,
    so it is no feed.
    """

    index: int
    name: str
    layer: LayerBase | None
    fused: list[LayerBase]
    shape: TensorShape
    feeds: list[Feed] = field(default_factory=list)
    consumers: list[int] = field(default_factory=list)
    stored: int | None = None

    @property
    def positions(self) -> int:
        return positions(self.shape)

    @property
    def channels(self) -> int:
        return channels(self.shape)

    @property
    def recurrent(self) -> bool:
        """True if each position also needs the operation's own result of the one before."""
        return isinstance(self.layer, op.Recurrent)

    @property
    def off_chip(self) -> bool:
        """True if it comes from outside the chip: an input, rows of a table, a stored tensor."""
        return self.layer is None or isinstance(self.layer, op.Embedding | op.Stored)


class HostWork(NamedTuple):
    """Tensors that the host can work out itself, and those of them that the chip does not need."""

    known: set[str]
    left_out: set[str]


def host_work(trace: Trace) -> HostWork:
    """What becomes of token ids before a table is a matter of the host.

    Known are the inputs and what moves and simple functions make of known tensors. Left out are
    those whose only readers are embeddings or left out themselves; and idle layers.
    """
    simple = (op.Move, op.Activation, op.Elementwise, op.Reduce, op.Unknown)
    known = {item.name for item in trace.inputs}
    readers: dict[str, list[LayerBase]] = {}
    for layer in trace.layers:
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
        if isinstance(layer, simple) and known.issuperset(layer.inputs):
            known.add(layer.name)
    left_out = {layer.name for layer in trace.layers if isinstance(layer, op.Idle)}
    names = [*(item.name for item in trace.inputs), *(layer.name for layer in trace.layers)]
    for name in reversed(names):
        users = readers.get(name, [])
        alone = all(isinstance(u, op.Embedding) or u.name in left_out for u in users)
        if name in known and users and alone:
            left_out.add(name)
    return HostWork(known, left_out)


def operations(trace: Trace, groups: Mapping[str, int] | None = None) -> list[Operation]:
    """Operations in topological order; an activation joins the producer it alone consumes.

    What only leads to the ids of embeddings stays with the host and is left out, and so are idle
    layers. groups: by layer name, positions that a layer takes together; it then has one position,
    with the channels of all, per group.
    """
    users: dict[str, int] = {}
    for layer in trace.layers:
        for name in layer.inputs:
            users[name] = users.get(name, 0) + 1
    host = host_work(trace)
    found: list[Operation] = []
    where: dict[str, int] = {}
    for graph_input in trace.inputs:
        if graph_input.name in host.left_out:
            continue
        where[graph_input.name] = len(found)
        found.append(Operation(len(found), graph_input.name, None, [], tuple(graph_input.shape)))
    for layer in trace.layers:
        if layer.name in host.left_out:
            continue
        shape = trace.shapes[layer.name]
        producer = where.get(layer.inputs[0])
        if (
            isinstance(layer, op.Activation)
            and producer is not None
            and not found[producer].off_chip
            and users[layer.inputs[0]] == 1
        ):
            found[producer].fused.append(layer)
            where[layer.name] = producer
            continue
        operation = Operation(len(found), layer.name, layer, [], shape)
        inputs = trace.input_shapes(layer)
        for which, name in enumerate(layer.inputs):
            if name not in where or (isinstance(layer, op.Embedding) and name in host.known):
                continue  # token ids: the host looks the rows up
            if isinstance(layer, op.Stored):
                operation.stored = where[name]
                if not found[where[name]].off_chip:
                    found[where[name]].consumers.append(HOST)
                continue
            feed = Feed(where[name], which, layer.reach(which, inputs, shape))
            operation.feeds.append(feed)
            # ids that the chip works out go to the host, which looks the rows up
            reader = HOST if isinstance(layer, op.Embedding) else operation.index
            found[where[name]].consumers.append(reader)
        where[layer.name] = operation.index
        found.append(operation)
    for operation in found:
        if not operation.consumers:
            operation.consumers.append(HOST)
        group = (groups or {}).get(operation.name, 1)
        if group > 1:
            _take_together(operation, group, found)
    return found


def _take_together(operation: Operation, group: int, ops: list[Operation]) -> None:
    """Let an operation work on groups of positions; the last group may be padded."""
    starts = np.arange(0, operation.positions, group)
    ends = np.minimum(starts + group, operation.positions) - 1
    for index, feed in enumerate(operation.feeds):
        reach = Reach(first=feed.reach.first[starts], last=feed.reach.last[ends])
        operation.feeds[index] = replace(feed, reach=reach)
    operation.shape = (len(starts), group * operation.channels)
    for consumer in operation.consumers:
        for index, feed in enumerate(ops[consumer].feeds if consumer != HOST else []):
            if feed.producer == operation.index:
                reach = Reach(first=feed.reach.first // group, last=feed.reach.last // group)
                ops[consumer].feeds[index] = replace(feed, reach=reach)
