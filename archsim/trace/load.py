"""Traces on disk: reading one with every check that needs no hardware, and writing one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from archsim.documents import Document, check_version, load_document, validate
from archsim.errors import InputError, nearest
from archsim.system.atomic import write_text
from archsim.trace.generation import generation_fault
from archsim.trace.layer import ShapeError, TensorShape
from archsim.trace.model import TRACE_VERSION, Trace
from archsim.trace.operators import Layer
from archsim.trace.order import find_cycle, topological_order
from archsim.trace.stats import TensorStats

STATS_FIELDS = ("weight_stats", "input_stats", "output_stats")


def load_trace(path: str | Path) -> Trace:
    """Read a trace from YAML or JSON, check it, and put its layers in an executable order.

    Raises InputError, at the file and line (YAML) or key (JSON), for: an unreadable file, a
    missing or newer version, a field that does not validate, a name used twice, an unknown input,
    a wrong number of inputs, a cycle, shapes that do not chain, weights tied to others of another
    size, a token that depends on itself, statistics that do not add up.
    """
    return trace_from_document(load_document(path))


def trace_from_document(document: Document) -> Trace:
    """The trace in a document; raises as `load_trace` does."""
    check_version(document, "trace", "archsim_trace", TRACE_VERSION)
    trace = validate(Trace, document)
    _check_names(trace, document)
    _check_inputs(trace, document)
    order = _execution_order(trace, document)
    _check_shapes(trace, order, document)
    _check_ties(trace, document)
    _check_statistics(trace, document)
    if order != list(range(len(order))):
        trace = trace.model_copy(update={"layers": [trace.layers[i] for i in order]})
    fault = generation_fault(trace)
    if fault is not None:
        key = document.location(("generation", *fault.key))
        raise InputError(f"generation: {fault.what}", key, fault.fix)
    return trace


def save_trace(trace: Trace, path: str | Path) -> None:
    """Write a trace as JSON, one layer per line, without fields that hold their default.

    The file appears whole or not at all. `load_trace` gives an equal trace back. Raises InputError
    if the place cannot be written or the name does not end in .json.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise InputError("a trace is saved as JSON.", str(path), "End the name in .trace.json.")
    data = trace.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    data["layers"] = [_in_reading_order(layer) for layer in data["layers"]]
    text = "{\n" + ",\n".join(_json_field(key, value) for key, value in data.items()) + "\n}\n"
    write_text(path, text)


def _in_reading_order(layer: dict[str, Any]) -> dict[str, Any]:
    first = {key: layer[key] for key in ("name", "op", "inputs")}
    last = {key: layer[key] for key in STATS_FIELDS if key in layer}
    return first | {key: value for key, value in layer.items() if key not in last} | last


def _json_field(key: str, value: Any) -> str:
    if key in ("inputs", "layers"):
        rows = ",\n".join(_compact(row) for row in value)
        return f"{_compact(key)}: [\n{rows}\n]"
    return f"{_compact(key)}: {_compact(value)}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _check_names(trace: Trace, document: Document) -> None:
    seen: dict[str, tuple[str | int, ...]] = {}
    named = [(("inputs", i, "name"), entry.name) for i, entry in enumerate(trace.inputs)]
    named += [(("layers", i, "name"), layer.name) for i, layer in enumerate(trace.layers)]
    for key, name in named:
        if name in seen:
            raise InputError(
                f"the name '{name}' is used twice.",
                document.location(key),
                f"It is already at {document.location(seen[name])}; names must be unique.",
            )
        seen[name] = key


def _check_inputs(trace: Trace, document: Document) -> None:
    names = {entry.name for entry in trace.inputs} | {layer.name for layer in trace.layers}
    for i, layer in enumerate(trace.layers):
        for j, name in enumerate(layer.inputs):
            if name not in names:
                raise InputError(
                    f"layer '{layer.name}' reads '{name}', which is neither a layer nor an input "
                    "of the trace.",
                    document.location(("layers", i, "inputs", j)),
                    _suggest(name, names - {layer.name}),
                )
        fewest, most = layer.arity
        if not fewest <= len(layer.inputs) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise InputError(
                f"layer '{layer.name}' ({layer.op}) has {len(layer.inputs)} inputs and takes "
                f"{wanted}.",
                document.location(("layers", i, "inputs")),
                "List the layers it reads, in order.",
            )


def _suggest(name: str, names: set[str]) -> str:
    """The nearest name; of a long list without a near one, only the way to see it."""
    hint = nearest(name, names)
    return hint if hint.startswith("Did") or len(names) <= 12 else "Use the name of a layer."


def _execution_order(trace: Trace, document: Document) -> list[int]:
    index = {layer.name: i for i, layer in enumerate(trace.layers)}
    parents = [[index[n] for n in layer.inputs if n in index] for layer in trace.layers]
    order = topological_order(parents)
    if len(order) == len(parents):
        return order
    cycle = find_cycle(parents, set(order))
    path = " -> ".join(trace.layers[i].name for i in [*cycle, cycle[0]])
    raise InputError(
        f"the layers form a cycle, each feeding the next: {path}.",
        document.location(("layers", cycle[0], "inputs")),
        "Remove one of these inputs; an unrolled recurrence has one layer per step.",
    )


def _check_shapes(trace: Trace, order: list[int], document: Document) -> None:
    shapes: dict[str, TensorShape] = {entry.name: tuple(entry.shape) for entry in trace.inputs}
    for i in order:
        layer = trace.layers[i]
        inputs = [shapes[name] for name in layer.inputs]
        try:
            shape = layer.output_shape(inputs)
        except ShapeError as error:
            raise InputError(
                f"layer '{layer.name}' ({layer.op}): {error}.",
                document.location(("layers", i)),
                f"Its inputs: {_describe(layer, inputs)}.",
            ) from None
        if layer.shape is not None and tuple(layer.shape) != shape:
            raise InputError(
                f"layer '{layer.name}' ({layer.op}) declares the shape {layer.shape}, but produces "
                f"{list(shape)} from {_describe(layer, inputs)}.",
                document.location(("layers", i, "shape")),
                "Correct the shape or leave it out.",
            )
        shapes[layer.name] = shape


def _describe(layer: Layer, inputs: list[TensorShape]) -> str:
    pairs = zip(layer.inputs, inputs, strict=True)
    return ", ".join(f"'{name}' with shape {list(shape)}" for name, shape in pairs)


def _check_ties(trace: Trace, document: Document) -> None:
    layers = {layer.name: layer for layer in trace.layers}
    for i, layer in enumerate(trace.layers):
        if layer.tied_to is None:
            continue
        other = layers.get(layer.tied_to)
        fix = "Name the layer where these weights are counted."
        if other is None:
            what = f"is tied to '{layer.tied_to}', which is no layer of the trace"
            fix = _suggest(layer.tied_to, set(layers) - {layer.name})
        elif other.tied_to is not None:
            what = f"is tied to '{other.name}', which is tied itself to '{other.tied_to}'"
        elif other.parameters() != layer.parameters():
            what = (
                f"has {layer.parameters()} weights and is tied to '{other.name}', which has "
                f"{other.parameters()}"
            )
        else:
            continue
        raise InputError(
            f"layer '{layer.name}' {what}.", document.location(("layers", i, "tied_to")), fix
        )


def _check_statistics(trace: Trace, document: Document) -> None:
    for i, entry in enumerate(trace.inputs):
        _check_stats(entry.stats, document, ("inputs", i, "stats"))
    for i, layer in enumerate(trace.layers):
        for field in STATS_FIELDS:
            _check_stats(getattr(layer, field), document, ("layers", i, field))


def _check_stats(stats: TensorStats | None, document: Document, key: tuple[str | int, ...]) -> None:
    if stats is None:
        return
    if sum(stats.histogram) != stats.samples or min(stats.histogram) < 0:
        raise InputError(
            f"the histogram counts {sum(stats.histogram)} codes of {stats.samples} samples.",
            document.location((*key, "histogram")),
            "Its counts are not negative and add up to `samples`.",
        )
    if len(stats.one_density) != stats.bits:
        raise InputError(
            f"one_density has {len(stats.one_density)} bit planes, the codes have {stats.bits}.",
            document.location((*key, "one_density")),
            "Give one share per bit, least significant first.",
        )
