"""A trace as a table of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter, itemgetter

from archsim.report import figures
from archsim.report.table import Column, Table
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Row:
    """A layer with its output shape, multiply-accumulates and weights."""

    name: str
    op: str
    inputs: list[str]
    shape: list[int]
    macs: int
    parameters: int
    weight_bits: int
    input_bits: int
    statistics: bool


def layer_rows(trace: Trace) -> list[Row]:
    """Every layer in the order in which they run."""
    return [
        Row(
            name=layer.name,
            op=layer.op,
            inputs=list(layer.inputs),
            shape=list(trace.shapes[layer.name]),
            macs=layer.macs(trace.input_shapes(layer), trace.shapes[layer.name]),
            parameters=layer.parameters(),
            weight_bits=layer.weight_bits or trace.precision.weight,
            input_bits=layer.input_bits or trace.precision.input,
            statistics=layer.input_stats is not None,
        )
        for layer in trace.layers
    ]


def layer_table(trace: Trace) -> Table:
    """The layers, with the totals below."""
    rows = layer_rows(trace)
    columns = (
        Column("name", "layer", attrgetter("name"), fold=14),
        Column("op", "op", attrgetter("op"), rank=2),
        Column("inputs", "inputs", attrgetter("inputs"), ", ".join, rank=3, fold=14),
        Column("shape", "output", attrgetter("shape"), figures.shape, right=True),
        Column("macs", "MACs", attrgetter("macs"), figures.count, right=True),
        Column(
            "parameters", "weights", attrgetter("parameters"), figures.count, right=True, rank=1
        ),
        Column("weight_bits", "weight bits", attrgetter("weight_bits"), shown=False),
        Column("input_bits", "input bits", attrgetter("input_bits"), shown=False),
        Column("statistics", "value statistics", attrgetter("statistics"), shown=False),
    )
    return Table("Layers", columns, rows)


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
    ]
    columns = (
        Column("figure", "figure", itemgetter(0)),
        Column("value", "value", itemgetter(1), fold=20),
    )
    return Table(trace.name, columns, records)
