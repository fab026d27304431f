"""A trace as tables: its layers, their values, the totals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from archsim.schema.units import format_quantity
from archsim.tables import figures
from archsim.tables.table import Column, Table
from archsim.trace.generation import kv_cache
from archsim.trace.layer import LayerBase
from archsim.trace.model import Trace
from archsim.trace.operators import Unknown
from archsim.trace.stats import TensorStats

BARS = "▁▂▃▄▅▆▇█"
BAR_COUNT = 16  # of a small histogram
TENSORS = (("weight", "weights"), ("input", "inputs"), ("output", "outputs"))


@dataclass(frozen=True)
class Row:
    """A layer with its output shape, multiply-accumulates and weights."""

    name: str
    op: str
    operator: str | None  # of an unknown one, what the model's file calls it
    inputs: list[str]
    shape: list[int]
    macs: int
    parameters: int
    biases: int
    tied_to: str | None
    weight_bits: int
    input_bits: int
    statistics: bool


def layer_rows(trace: Trace) -> list[Row]:
    """Every layer in the order in which they run."""
    return [
        Row(
            name=layer.name,
            op=layer.op,
            operator=layer.operator if isinstance(layer, Unknown) else None,
            inputs=list(layer.inputs),
            shape=list(trace.shapes[layer.name]),
            macs=layer.macs(trace.input_shapes(layer), trace.shapes[layer.name]),
            parameters=layer.parameters(),
            biases=layer.biases,
            tied_to=layer.tied_to,
            weight_bits=layer.weight_bits or trace.precision.weight,
            input_bits=layer.input_bits or trace.precision.input,
            statistics=layer.input_stats is not None,
        )
        for layer in trace.layers
    ]


def _operation(row: Row) -> str:
    return f"{row.op} ({row.operator})" if row.operator else row.op


def layer_table(trace: Trace, most: int | None = None) -> Table:
    """The layers, or the first `most` of them."""
    rows = layer_rows(trace)[:most]
    columns = (
        Column("name", "layer", attrgetter("name"), fold=14),
        Column("op", "op", attrgetter("op"), shown=False),
        Column("operator", "operator", attrgetter("operator"), shown=False),
        Column("operation", "op", _operation, rank=2, data=False),
        Column("inputs", "inputs", attrgetter("inputs"), ", ".join, rank=3, fold=14),
        Column("shape", "output", attrgetter("shape"), figures.shape, right=True),
        Column("macs", "MACs", attrgetter("macs"), figures.count, right=True),
        Column(
            "parameters", "weights", attrgetter("parameters"), figures.count, right=True, rank=1
        ),
        Column("biases", "biases", attrgetter("biases"), shown=False),
        Column("tied_to", "tied to", attrgetter("tied_to"), shown=False),
        Column("weight_bits", "weight bits", attrgetter("weight_bits"), shown=False),
        Column("input_bits", "input bits", attrgetter("input_bits"), shown=False),
        Column("statistics", "value statistics", attrgetter("statistics"), shown=False),
    )
    return Table("Layers", columns, rows, _first(len(rows), len(trace.layers)))


def value_table(trace: Trace, most: int | None = None) -> Table:
    """Statistics of weights and inputs, of the layers that have any among the first `most`.

    Outputs are for CSV and JSON alone: what people read would repeat the next layer's inputs.
    """
    measured = [layer for layer in trace.layers[:most] if layer.weight_stats or layer.input_stats]
    columns = [Column("name", "layer", attrgetter("name"), fold=14)]
    for tensor, title in TENSORS:
        columns += _value_columns(tensor, title, shown=tensor != "output")
    return Table(
        "Values", columns, measured, "Codes: lowest left; each bar beside the highest one."
    )


def _value_columns(tensor: str, title: str, *, shown: bool) -> list[Column]:
    stats = attrgetter(f"{tensor}_stats")

    def figure(name: str) -> Callable[[LayerBase], Any]:
        return lambda layer: getattr(stats(layer), name) if stats(layer) else None

    return [
        Column(f"{tensor}_zero_share", f"{title}: zeros", figure("zero_share"), _share,
               right=True, shown=shown),
        Column(f"{tensor}_one_density", "ones", figure("one_density"), _density,
               right=True, rank=1, shown=shown),
        Column(f"{tensor}_codes", "codes", stats, histogram_bars, rank=2, data=False, shown=shown),
    ]  # fmt: skip


def _share(value: float | None) -> str:
    return "" if value is None else figures.percent(value)


def _density(planes: list[float] | None) -> str:
    return "" if not planes else figures.percent(sum(planes) / len(planes))


def histogram_bars(stats: TensorStats | None) -> str:
    """A histogram as a line of up to 16 block characters; an empty bar is a space."""
    if stats is None:
        return ""
    counts = stats.histogram[: 1 << min(stats.bits, 8)]
    each = max(len(counts) // BAR_COUNT, 1)
    sums = [sum(counts[i : i + each]) for i in range(0, len(counts), each)]
    top = max(sums)
    return "".join(BARS[-(-len(BARS) * n // top) - 1] if n else " " for n in sums)


def _first(shown: int, count: int) -> str:
    return f"The first {shown} of {figures.count(count)} layers." if shown < count else ""


def activations(trace: Trace) -> int:
    """Elements of the outputs of all layers."""
    return sum(math.prod(trace.shapes[layer.name]) for layer in trace.layers)


def _generation(trace: Trace) -> list[tuple[str, str]]:
    found, cache = [], kv_cache(trace)
    if trace.generation is not None:
        counts = trace.generation
        sequences = f", {counts.sequences} sequences" if counts.sequences > 1 else ""
        found.append(("generation", f"prompt {counts.prompt}, decode {counts.decode}{sequences}"))
    if cache is not None:
        per_token = format_quantity(cache.per_token / 8, "B")
        total = format_quantity(cache.total / 8, "B")
        found.append(("KV cache", f"{per_token} per token and sequence, {total} at the end"))
    return found


def total_table(trace: Trace) -> Table:
    """What the trace is and what it adds up to."""
    rows = layer_rows(trace)
    measured = sum(row.statistics for row in rows)
    records = [
        ("model", trace.provenance.model),
        ("made by", trace.provenance.made_by),
        ("value statistics", f"in {measured} of {len(rows)} layers, from {trace.provenance.data}"),
        ("precision", f"{trace.precision.weight}-bit weights, {trace.precision.input}-bit inputs"),
        *(("input", f"{item.name}, {figures.shape(item.shape)}") for item in trace.inputs),
        ("layers", figures.count(len(rows))),
        ("MACs", f"{figures.count(trace.macs())} ({figures.magnitude(trace.macs(), 'MACs')})"),
        ("weights", figures.count(trace.parameters())),
        ("with biases and norms", figures.count(trace.parameters(biases=True))),
        ("activations", figures.count(activations(trace))),
        *_generation(trace),
    ]
    columns = (
        Column("figure", "figure", itemgetter(0)),
        Column("value", "value", itemgetter(1), fold=20),
    )
    return Table(trace.name, columns, records)
