"""The tables of a GPU: its numbers, a model on it, and the model beside a measurement."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from archsim.components.base import ASSUMPTION
from archsim.gpu.inference import GPUResult
from archsim.gpu.measurement import Comparison, Measurement
from archsim.gpu.model import GPU
from archsim.report.field_units import field_text
from archsim.schema.units import format_quantity
from archsim.tables import figures
from archsim.tables.table import Column, Table, rows


@dataclass(frozen=True)
class Number:
    """One number of a GPU; `value` in SI units (bits for sizes), `text` for people."""

    path: str
    value: float
    text: str
    source: str

    @property
    def assumed(self) -> bool:
        return self.source.lower().startswith(ASSUMPTION)


def number_table(gpu: GPU) -> Table:
    """Every number with its source; assumptions bear a mark and are counted below."""
    found = []
    for path, part in gpu.parts().items():
        for field in type(part).model_fields:
            if field in ("source", "sources"):
                continue
            value = getattr(part, field)
            text = field_text(part, field)
            if field == "peak":
                text = format_quantity(value, "op/s")
            elif path in ("memory", "link") and field == "bandwidth":
                text = format_quantity(value / 8, "B/s")
            source = part.sources.get(field, part.source)
            found.append(Number(f"{path}.{field}", value, text, source))
    assumed = sum(number.assumed for number in found)
    columns = (
        Column("path", "path", attrgetter("path"), fold=20),
        Column("value", "value", attrgetter("value"), shown=False),
        Column("text", "value", attrgetter("text"), right=True),
        Column("assumed", "", attrgetter("assumed"), lambda yes: "!" if yes else ""),
        Column("source", "source", attrgetter("source"), fold=16),
    )
    note = f"{assumed} of {len(found)} numbers are assumptions, marked '!'."
    return Table(f"Numbers of {gpu.name}", columns, found, note)


def work_table(gpu: GPU) -> Table:
    """The works that the sources name, with their full citations."""
    columns = (
        Column("name", "name", itemgetter(0)),
        Column("citation", "citation", itemgetter(1), fold=20),
    )
    return Table("References", columns, list(gpu.references.items()))


def headline(result: GPUResult) -> Table:
    """Times, energies and memory of a batch of inferences."""
    need, batch = result.memory, result.batch
    records = [
        ("time of the batch", f"{figures.seconds(result.seconds)} (+- {result.band:.0%})"),
        ("throughput", figures.rate(batch / result.seconds)),
        ("energy per inference", figures.joules(result.joules / batch)),
        ("average power", figures.watts(result.joules / result.seconds)),
    ]
    if result.decode_seconds:
        records += [
            ("prefill", f"{figures.seconds(result.prefill_seconds)}, "
                        f"{figures.joules(result.prefill_joules / batch)} per inference"),
            ("decode", f"{figures.seconds(result.decode_seconds)}, "
                       f"{figures.joules(result.decode_joules / batch)} per inference"),
        ]  # fmt: skip
    records += [
        ("kernels launched", figures.count(sum(k.launches for k in result.kernels))),
        ("bound by", _bounds(result)),
        (
            "memory",
            f"{format_quantity(need.total, 'B')} of {format_quantity(need.capacity, 'B')}"
            + ("" if need.fits else ": it does not fit; the times are those of one that had room"),
        ),
    ]
    columns = (
        Column("figure", "figure", itemgetter(0), fold=12),
        Column("value", "value", itemgetter(1), fold=14),
    )
    fused = "like a compiler's" if result.fused else "one per layer"
    title = f"{result.trace} on {result.gpu}, batch {batch}, {result.precision}"
    launch = "in one graph" if result.launch == "graph" else "one by one"
    note = (
        f"Kernels {fused}, launched {launch}; a model, not a measurement: times are within "
        f"{result.band:.0%} of those it was compared with (archsim gpu show)."
    )
    return Table(title, columns, records, note)


def kernel_table(result: GPUResult) -> Table:
    """One row per kernel and phase, all launches together."""
    columns = (
        Column("kernel", "kernel", attrgetter("layer"), fold=16),
        Column("layers", "layers", lambda k: len(k.layers), right=True, rank=4),
        Column("phase", "phase", attrgetter("phase"), rank=3),
        Column("launches", "launches", attrgetter("launches"), figures.count, right=True, rank=3),
        Column("ops", "operations", attrgetter("ops"), _ops, right=True, rank=2),
        Column("bytes", "traffic", attrgetter("bytes"), _bytes, right=True, rank=2),
        Column("seconds", "time", attrgetter("seconds"), figures.seconds, right=True),
        Column("joules", "energy", attrgetter("joules"), figures.joules, right=True),
        Column("bound", "bound by", attrgetter("bound"), rank=1),
    )
    return Table("Kernels", columns, result.kernels, "Energy is that of the whole batch.")


def as_data(result: GPUResult) -> dict[str, Any]:
    """A result as plain data, seconds and joules of the whole batch."""
    need = result.memory
    return {
        "gpu": result.gpu,
        "trace": result.trace,
        "batch": result.batch,
        "precision": result.precision,
        "fused": result.fused,
        "launch": result.launch,
        "band": result.band,
        "seconds": result.seconds,
        "joules": result.joules,
        "prefill_s": result.prefill_seconds,
        "decode_s": result.decode_seconds,
        "prefill_j": result.prefill_joules,
        "decode_j": result.decode_joules,
        "memory_bytes": need.total,
        "weight_bytes": need.weights,
        "kv_cache_bytes": need.kv_cache,
        "fits": need.fits,
        "kernels": rows(kernel_table(result)),
    }


def comparison_tables(
    measured: Measurement, gpu: GPU, found: list[Comparison], *, same_trace: bool
) -> tuple[Table, Table]:
    """Model and measurement per kernel, and summed over each operator's launches.

    same_trace: whether the trace's file is the one that was measured; the table says if not.
    """
    both = (
        Column("measured_s", "measured", attrgetter("measured_s"), figures.seconds, right=True),
        Column("modelled_s", "model", attrgetter("modelled_s"), figures.seconds, right=True),
        Column("time_error", "error", attrgetter("time_error"), _signed, right=True),
        Column("measured_j", "energy", attrgetter("measured_j"), _or_none(figures.joules),
               right=True, rank=2),
        Column("modelled_j", "model", attrgetter("modelled_j"), figures.joules, right=True, rank=2),
        Column("energy_error", "error", attrgetter("energy_error"), _or_none(_signed), right=True,
               rank=1),
    )  # fmt: skip
    names = (
        Column("layer", "layer", attrgetter("layer"), fold=16),
        Column("op", "op", attrgetter("op"), rank=3),
        Column("phase", "phase", attrgetter("phase"), rank=4),
        Column("bound", "bound by", attrgetter("bound"), rank=3),
    )
    title = f"{measured.trace}: {measured.device} and the model of {gpu.name}"
    setting = f"Batch {measured.batch}, {measured.precision}; per launch."
    if not same_trace:
        setting += " Measured with another version of the trace."
    kernels = Table(title, (*names, *both), found, setting)
    launches = [kernel.launches for kernel in measured.kernels]
    sums = [_summed(op, found, launches) for op in [*sorted({c.op for c in found}), "all"]]
    note = f"Error: model over measurement, less 1. Energy read by: {measured.energy_from}."
    return kernels, Table("By operator", (names[1], *both), sums, note)


def _summed(op: str, found: list[Comparison], launches: list[int]) -> Comparison:
    """All launches of an operator's kernels, or of all kernels, as one."""
    chosen = [
        (c, n) for c, n in zip(found, launches, strict=True) if op in (c.op, "all")
    ]  # fmt: skip
    energies = [None if c.measured_j is None else c.measured_j * n for c, n in chosen]
    known = [value for value in energies if value is not None]
    first = chosen[0][0]
    return Comparison(
        op,
        op,
        first.phase,
        first.bound,
        math.fsum(c.measured_s * n for c, n in chosen),
        math.fsum(c.modelled_s * n for c, n in chosen),
        math.fsum(known) if len(known) == len(chosen) else None,
        math.fsum(c.modelled_j * n for c, n in chosen),
    )


def _bounds(result: GPUResult) -> str:
    shares = {
        bound: math.fsum(k.seconds for k in result.kernels if k.bound == bound)
        for bound in ("compute", "memory", "launch")
    }
    parts = [f"{b} {figures.percent(s / result.seconds)}" for b, s in shares.items() if s]
    return ", ".join(parts)


def _ops(value: float) -> str:
    return figures.magnitude(value, "op")


def _bytes(value: float) -> str:
    return figures.magnitude(value, "B")


def _signed(value: float) -> str:
    return f"{100 * value:+.0f} %"


def _or_none(text: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "-" if value is None else text(value)
