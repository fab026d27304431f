"""Autoregressive traces: what waits for tokens that the model has chosen, and the KV cache."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from archsim.trace.layer import channels, positions
from archsim.trace.model import Generation, Trace
from archsim.trace.operators import MatMul
from archsim.trace.window import Positions


class Fault(NamedTuple):
    """What is wrong with a trace's `generation`, at which key below it, and the remedy."""

    key: tuple[str, ...]
    what: str
    fix: str


def generation_fault(trace: Trace) -> Fault | None:
    """The first fault of a trace's `generation`; None without one or without `generation`.

    The target has (prompt + decode) * sequences positions and the source (decode + 1) *
    sequences. Position i of the source scores the token of target position i + prompt *
    sequences, so it must not depend on that position or a later one.
    """
    generation = trace.generation
    if generation is None:
        return None
    fault = _ends_fault(trace, generation)
    if fault is not None:
        return fault
    shift = generation.prompt * generation.sequences
    last = last_needed(trace, generation.target, generation.source)
    late = np.flatnonzero(last >= np.arange(len(last)) + shift)
    if late.size == 0:
        return None
    first = int(late[0])
    return Fault(
        ("source",),
        f"position {first} of '{generation.source}' depends on position {int(last[first])} of "
        f"'{generation.target}', which is chosen from it or later.",
        "Use causal attention and no layer that waits for the whole sequence, or decode: 0.",
    )


def _ends_fault(trace: Trace, generation: Generation) -> Fault | None:
    shapes = {entry.name: tuple(entry.shape) for entry in trace.inputs}
    if generation.target not in shapes:
        return Fault(
            ("target",),
            f"'{generation.target}' is no input of the trace.",
            f"Inputs: {', '.join(shapes)}.",
        )
    if all(layer.name != generation.source for layer in trace.layers):
        return Fault(
            ("source",),
            f"'{generation.source}' is no layer of the trace.",
            "Name the layer that scores the next token.",
        )
    for key, name, count in (
        ("target", generation.target, generation.prompt + generation.decode),
        ("source", generation.source, generation.decode + 1),
    ):
        found, wanted = positions(trace.shapes[name]), count * generation.sequences
        if found != wanted:
            return Fault(
                (key,),
                f"'{name}' has {found} positions; prompt {generation.prompt}, decode "
                f"{generation.decode} and {generation.sequences} sequences make {wanted}.",
                "Correct the counts or the shapes.",
            )
    return None


def last_needed(trace: Trace, name: str, of: str) -> Positions:
    """The last position of input `name` that each position of the tensor `of` depends on.

    An int64 array of shape (positions of `of`,), non-decreasing; -1 where a position depends on
    none. Walks the layers' reaches in order and keeps the arrays that are still to be read.
    """
    reading = Counter(source for layer in trace.layers for source in layer.inputs)
    found: dict[str, Positions] = {name: np.arange(positions(trace.shapes[name]), dtype=np.int64)}
    for layer in trace.layers:
        if of in found:
            break
        inputs, output = trace.input_shapes(layer), trace.shapes[layer.name]
        last: Positions | None = None
        for which, source in enumerate(layer.inputs):
            if source in found:
                reach = layer.reach(which, inputs, output).last
                behind = np.where(reach >= 0, found[source][reach], -1)
                last = behind if last is None else np.maximum(last, behind)
            reading[source] -= 1
            if not reading[source]:
                found.pop(source, None)
        if last is not None:
            found[layer.name] = np.maximum.accumulate(last)
    return found.get(of, np.full(positions(trace.shapes[of]), -1, np.int64))


def dependents(trace: Trace, name: str) -> set[str]:
    """An input and the layers that read it, directly or through others."""
    found = {name}
    for layer in trace.layers:
        if not found.isdisjoint(layer.inputs):
            found.add(layer.name)
    return found


class KVCache(NamedTuple):
    """Bits of the keys and values that stay for later positions.

    per_token: of one position of one sequence; total: of all positions at the end, with those
    that a cross attention reads from an encoder.
    """

    per_token: int
    total: int


def kv_cache(trace: Trace) -> KVCache | None:
    """The second inputs of attention that hides the future, and of rows that are generated alone.

    Each tensor counts once, at the width of the layer that reads it, with as many positions as a
    row's mask spans at most: older ones are dropped. None for a trace without such attention.
    """
    generated = dependents(trace, trace.generation.target) if trace.generation else set()
    own: dict[str, tuple[int, int]] = {}  # positions and bits of a position, by tensor
    across: dict[str, tuple[int, int]] = {}
    for layer in trace.layers:
        if not isinstance(layer, MatMul):
            continue
        rows, operand = layer.inputs
        shape = trace.shapes[operand]
        width = channels(shape) * (layer.input_bits or trace.precision.input)
        size = positions(shape), width
        if layer.hides_future(positions(trace.shapes[rows])):
            seen = layer.attended(positions(trace.shapes[rows]))
            held = int((seen.last - seen.first).max()) + 1
            own[operand] = held * layer.sequences, width
        elif rows in generated and operand not in generated:
            across[operand] = size
    if not own:
        return None
    return KVCache(
        sum(bits for _, bits in own.values()),
        sum(count * bits for count, bits in (own | across).values()),
    )
