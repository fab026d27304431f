"""New layers in a trace: put behind existing ones, whose place they take for all readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archsim.errors import InputError
from archsim.trace.model import Trace
from archsim.trace.operators import Layer


def insert_behind(trace: Trace, added: Mapping[str, Sequence[Layer]]) -> Trace:
    """The trace with layers behind some of its layers.

    added: by layer name, what comes behind it; the last of these takes the layer's place for all
    that read it. They read the layer itself by its name, and see what has taken the place of
    others. The given trace stays as it is. InputError if a name is taken already.
    """
    renamed = {name: layers[-1].name for name, layers in added.items()}
    result: list[Layer] = []
    for layer in trace.layers:
        result.append(_reading(layer, renamed))
        own = {name: new for name, new in renamed.items() if name != layer.name}
        result += [_reading(new, own) for new in added.get(layer.name, ())]
    if len({layer.name for layer in result}) < len(result):
        raise InputError(
            f"'{trace.name}' has the layers of this method already.",
            fix="Start from the trace without them.",
        )
    generation = trace.generation
    if generation is not None:
        source = renamed.get(generation.source, generation.source)
        generation = generation.model_copy(update={"source": source})
    return changed_trace(trace, layers=result, generation=generation)


def changed_trace(trace: Trace, **fields: Any) -> Trace:
    """A new trace with other fields, validated again."""
    same = {name: getattr(trace, name) for name in type(trace).model_fields}
    return Trace(**(same | fields))


def _reading(layer: Layer, renamed: Mapping[str, str]) -> Layer:
    inputs = [renamed.get(name, name) for name in layer.inputs]
    return layer if inputs == layer.inputs else layer.model_copy(update={"inputs": inputs})
