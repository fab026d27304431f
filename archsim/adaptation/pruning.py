"""Structured pruning: channels that only layers inside the model see are taken out everywhere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from archsim.adaptation.insertion import changed_trace
from archsim.errors import InputError
from archsim.trace.layer import channels
from archsim.trace.model import Trace
from archsim.trace.operators import (
    Activation,
    Conv2d,
    Elementwise,
    Layer,
    Linear,
    MatMul,
    Norm,
    Pool,
    Reduce,
)


@dataclass(frozen=True)
class Pruned:
    """A smaller trace; changed: layers whose weights have lost rows or columns; channels: those a
    mask decides on; kept: those left."""

    trace: Trace
    changed: tuple[str, ...]
    channels: int
    kept: int


def prune_channels(trace: Trace, ratio: float) -> Pruned:
    """Take out `ratio` of the channels wherever producer and consumers can shrink together.

    Channels of a feed-forward layer or of a convolution go with the columns that make them and the
    rows that read them; channels of attention go alike from every head. What an input, an output, a
    layer norm or a reshape holds keeps its width, and with it the residual stream of a transformer.
    InputError if there is nothing to prune.
    """
    groups = _Groups(trace)
    smaller = {}
    masked = kept = 0
    for members in groups.prunable():
        width = min(groups.width(name) for name in members)
        left = max(round(width * (1 - ratio)), 1)
        for name in members:
            smaller[name] = channels(trace.shapes[name]) // width * left
        masked += max(channels(trace.shapes[name]) for name in members)
        kept += max(smaller[name] for name in members)
    if not smaller:
        raise InputError(
            f"'{trace.name}' has no channels that layers could lose together.",
            fix="Use a method that leaves the shapes alone, e.g. lora-rram.",
        )
    layers = [_shrunk(layer, trace, smaller) for layer in trace.layers]
    changed = tuple(
        new.name
        for new, old in zip(layers, trace.layers, strict=True)
        if new.stationary and new.parameters() != old.parameters()
    )
    return Pruned(changed_trace(trace, layers=layers), changed, masked, kept)


class _Groups:
    """Tensors whose channels have to shrink together (a union-find), and those that cannot."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.parent = {name: name for name in trace.shapes}
        self.units: dict[str, int] = {}  # heads that a tensor's channels are made of
        read = {name for layer in trace.layers for name in layer.inputs}
        self.fixed = {entry.name for entry in trace.inputs}
        self.fixed |= {layer.name for layer in trace.layers if layer.name not in read}
        for layer in trace.layers:
            self._add(layer)

    def prunable(self) -> list[list[str]]:
        """Groups without a fixed member, whose members are all as many heads of one width."""
        members: dict[str, list[str]] = defaultdict(list)
        for name in self.parent:
            members[self._root(name)].append(name)
        fixed = {self._root(name) for name in self.fixed}
        found = []
        for root, names in members.items():
            width = min(self.width(name) for name in names)
            even = all(channels(self.trace.shapes[name]) % width == 0 for name in names)
            if root not in fixed and even and width > 1:
                found.append(names)
        return found

    def width(self, name: str) -> int:
        """Channels of one head of a tensor."""
        return channels(self.trace.shapes[name]) // self.units.get(name, 1)

    def _add(self, layer: Layer) -> None:
        name, inputs = layer.name, layer.inputs
        if isinstance(layer, Linear) or (isinstance(layer, Conv2d) and layer.groups == 1):
            return  # rows and columns shrink each for themselves
        depthwise = isinstance(layer, Conv2d) and (
            layer.groups == layer.in_channels == layer.out_channels
        )
        if depthwise or isinstance(layer, Pool | Reduce) or _channelwise(layer):
            self._tie(name, inputs[0])
        elif isinstance(layer, Elementwise):
            self._elementwise(layer)
        elif isinstance(layer, MatMul):
            rows, operand = inputs
            shared = layer.kv_heads or layer.heads
            other = rows if layer.transposed else name
            self._tie(other, operand)
            self.units |= {other: layer.heads, operand: shared}
            self.fixed.add(name if layer.transposed else rows)
        else:
            self.fixed |= {name, *inputs}

    def _elementwise(self, layer: Elementwise) -> None:
        wide = channels(self.trace.shapes[layer.name])
        for source in layer.inputs:
            if channels(self.trace.shapes[source]) == wide:
                self._tie(layer.name, source)
            else:
                self.fixed.add(source)

    def _tie(self, left: str, right: str) -> None:
        self.parent[self._root(left)] = self._root(right)

    def _root(self, name: str) -> str:
        while self.parent[name] != name:
            self.parent[name] = self.parent[self.parent[name]]
            name = self.parent[name]
        return name


def _channelwise(layer: Layer) -> bool:
    """True for functions that treat every channel alone."""
    if isinstance(layer, Activation):
        return layer.function != "rotary"  # turns pairs of channels
    return isinstance(layer, Norm) and layer.function == "batch"


def _shrunk(layer: Layer, trace: Trace, smaller: dict[str, int]) -> Layer:
    """A layer with the channels that its tensors have left."""

    def left(name: str) -> int:
        return smaller.get(name, channels(trace.shapes[name]))

    touched = layer.name in smaller or any(name in smaller for name in layer.inputs)
    if not touched:
        return layer
    fields: dict[str, Any] = {"shape": None}
    source, output = left(layer.inputs[0]), left(layer.name)
    if isinstance(layer, Linear):
        fields |= {"in_features": source, "out_features": output}
    elif isinstance(layer, Conv2d):
        fields |= {"in_channels": source, "out_channels": output}
        fields["groups"] = source if layer.groups > 1 else 1
    elif isinstance(layer, MatMul):
        if layer.transposed:
            fields["k"] = source // layer.heads
        else:
            fields["n"] = output // layer.heads
    if layer.weight_stats is not None:
        fields["weight_stats"] = layer.weight_stats.model_copy(update={"columns": None})
    whole = channels(trace.shapes[layer.name])
    fields["biases"] = layer.biases * output // whole
    return layer.model_copy(update=fields)
