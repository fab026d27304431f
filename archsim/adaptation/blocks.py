"""The blocks of a model: tensors through which everything passes, where modules can be attached."""

from __future__ import annotations

from archsim.adaptation.head import classifier
from archsim.adaptation.method import block_of
from archsim.errors import InputError
from archsim.trace.layer import positions
from archsim.trace.model import Trace


def single_tensors(trace: Trace) -> list[str]:
    """Layers whose result is all that later layers read of those before: no edge passes by.

    Inputs of the trace that later layers read (a position bias, a mask) do not count. Results of
    one position (pooled vectors) are left out.
    """
    place = {layer.name: index for index, layer in enumerate(trace.layers)}
    last = list(range(len(trace.layers)))
    for index, layer in enumerate(trace.layers):
        for name in layer.inputs:
            if name in place:
                last[place[name]] = index
    found, reached = [], -1
    for index, layer in enumerate(trace.layers[:-1]):
        if reached <= index and positions(trace.shapes[layer.name]) > 1:
            found.append(layer.name)
        reached = max(reached, last[index])
    return found


def block_ends(trace: Trace) -> tuple[str | None, list[str]]:
    """The tensor before the first block, and the last tensor of each block.

    Blocks are those that names number (`block3.`, `layer1.0.`); without numbers, each tensor that
    layers with weights read ends one. A classifier is no block. The tensor before is None if the
    first block reads the trace's input. InputError if the model has no such blocks.
    """
    head = classifier(trace)
    single = [name for name in single_tensors(trace) if head is None or name != head.name]
    ends: dict[str, str] = {}
    for name in single:
        block = block_of(name)
        if block:
            ends[block] = name
    if not ends:
        read = {name for layer in trace.layers if layer.stationary for name in layer.inputs}
        ends = {name: name for name in single if name in read}
    if not ends:
        raise InputError(
            f"'{trace.name}' is not a chain of blocks: in every place several tensors pass.",
            fix="Use a method that attaches nothing to blocks, e.g. full or xbm.",
        )
    found = list(ends.values())
    before = [name for name in single[: single.index(found[0])] if not block_of(name)]
    return (before[-1] if before else None), found


def spread(names: list[str], most: int) -> list[str]:
    """At most `most` of some names at regular intervals, the last always among them."""
    count = min(most, len(names))
    return [names[(index + 1) * len(names) // count - 1] for index in range(count)]
