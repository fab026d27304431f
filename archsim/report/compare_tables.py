"""The tables of a comparison: what changes, what it costs, the scenario, and who overtakes whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from archsim.adaptation.comparison_result import Comparison, ComparisonRow, Crossing, MethodFigures
from archsim.schema.units import format_quantity
from archsim.tables import figures
from archsim.tables.table import Column, Table

if TYPE_CHECKING:
    from archsim.bench.compare_bench import CompareBench

ACROSS = 6
"""Columns of a break-even table, so that it fits 120 characters."""


def changes(comparison: Comparison) -> Table:
    """What a new task changes: values, bits, cells, and how long the cells live."""
    columns = (
        *_names(),
        _column("trained", "parameters", _count),
        _column("stored_bits", "stored", _bits),
        _column("cells_programmed", "cells", _count, rank=1),
        _column("bits_written", "memory", _bits, rank=2),
        _column("switch_latency_s", "time", figures.seconds),
        _column("switch_energy_j", "energy", figures.joules),
        _column("residents", "held", _or("any", _count), rank=3),
        _column("switches_until_worn", "worn after", _or("never", _magnitude)),
    )
    note = (
        "Per task: parameters trained, bits stored, cells programmed, bits written to other "
        "memories, time and energy of a switch; tasks held at once; switches until the weakest "
        "cell wears out."
    )
    said = {row.method: row.adapted_layers for row in comparison.rows if row.adapted_layers}
    note += "".join(f" {method} adapts {layers}." for method, layers in said.items())
    return Table("What a new task changes", columns, comparison.rows, note)


def costs(comparison: Comparison) -> Table:
    """An inference, and what the method adds to it."""
    generates = any(row.first_token_s is not None for row in comparison.rows)
    tokens = (
        _column("first_token_s", "first token", _or("-", figures.seconds), rank=1),
        _column("token_s", "next token", _or("-", figures.seconds), rank=1),
    )
    columns = (
        *_names(),
        _column("precision", "precision", str, rank=4, right=False),
        _column("batch", "batch", figures.count, rank=3),
        _column("inference_energy_j", "energy", figures.joules),
        _column("extra_energy_j", "more", _signed("J")),
        _column("inference_latency_s", "time", figures.seconds),
        _column("extra_latency_s", "more", _signed("s")),
        _column("tops_per_w", "TOPS/W", "{:.3g}".format, rank=1),
        *(tokens if generates else ()),
    )
    note = "Per inference; more: than the model as it is, on the same platform."
    return Table("What an inference costs", columns, comparison.rows, note)


def learning(comparison: Comparison) -> Table | None:
    """Learning a task on the device; None if none was."""
    rows = [row for row in comparison.rows if row.peak_memory_bits is not None]
    if not rows:
        return None
    learn = comparison.inputs.options["learn"]
    columns = (
        *_names(),
        _column("learning_energy_j", "energy", figures.joules),
        _column("learning_latency_s", "time", figures.seconds),
        _column("peak_memory_bits", "peak memory", _bits),
        _column("learning_chips", "chips", _or("-", figures.count)),
    )
    note = (
        f"{figures.count(learn['steps'])} steps of {learn['optimizer']} on mini-batches of "
        f"{figures.count(learn['batch'])}."
    )
    return Table("Learning a task on the device", columns, rows, note)


def overlaps(comparison: Comparison) -> Table | None:
    """Switches beside running inferences; None if they were not simulated."""
    rows = [row for row in comparison.rows if row.overlap is not None]
    if not rows or rows[0].overlap is None:
        return None
    columns = (
        *_names(),
        _column("overlap.programming_s", "programmed after", figures.seconds),
        _column("overlap.inference_s", "inferences", figures.seconds),
        _column("overlap.inference_alone_s", "alone", figures.seconds),
        _column("overlap.slow_down", "slowed down", "{:.4g} x".format),
        _column("overlap.delay_s", "delay", figures.seconds),
        _column("overlap.extra_j", "more energy", figures.joules),
    )
    count = rows[0].overlap.inferences
    note = f"A switch and {figures.count(count)} inferences that begin together."
    return Table("Switches beside running inferences", columns, rows, note)


def amortised(comparison: Comparison) -> Table:
    """Energy and time per inference over the scenario."""
    tasks, per_task = comparison.tasks, comparison.inferences_per_task
    columns = (
        *_names(),
        _column("switches", "switches", figures.count, rank=1),
        _column("amortised_energy_j", "energy", figures.joules),
        Column("switching_share", "of it adapting", _adapting, figures.percent, right=True, rank=2),
        _column("amortised_latency_s", "time", figures.seconds),
        _column("gpu_ratio", "of the GPU's energy", _or("-", "{:.3g} x".format)),
    )
    note = (
        f"Per inference, over {figures.count(tasks)} tasks with {per_task:,.6g} inferences each; "
        "switches: those that write."
    )
    first = next((row.platform for row in comparison.rows if row.device == "gpu"), None)
    if first is not None:
        note += f" The GPU is the best row of {first}."
    return Table("Energy and time over the scenario", columns, comparison.rows, note)


def break_evens(comparison: Comparison) -> Iterator[Table]:
    """For each row, from how many inferences per task on it needs less energy than the others.

    Columns are the methods on the chip and the best row of each GPU, a few to a table.
    """
    adapting = [row for row in comparison.rows if row.adapts]
    chosen = [row for row in adapting if row.device == "chip"]
    for platform in dict.fromkeys(row.platform for row in adapting if row.device == "gpu"):
        there = [row for row in adapting if row.platform == platform]
        chosen.append(min(there, key=attrgetter("amortised_energy_j")))
    found = {(c.row, c.than): c for c in comparison.break_even if c.quantity == "energy"}
    note = (
        "Inferences per task from which on, or until which, the row needs less energy per "
        "inference than the column; a GPU's column is its best row."
    )
    for number in range(0, len(chosen), ACROSS):
        columns = [
            Column("method", "method", attrgetter("method"), fold=12),
            Column("platform", "platform", attrgetter("platform"), fold=12),
            *(
                Column(than.name, _short(than), _crossing(found, than.name), right=True, fold=9)
                for than in chosen[number : number + ACROSS]
            ),
        ]
        title = "Break-even in energy" + (", continued" if number else "")
        yield Table(title, columns, adapting, note)


def left_out(comparison: Comparison) -> Table | None:
    """Methods that a platform cannot run; None if all can."""
    if not comparison.unfit:
        return None
    columns = (*_names(), Column("reason", "reason", attrgetter("reason"), fold=30))
    return Table("Left out", columns, comparison.unfit)


def all_tables(comparison: Comparison) -> list[Table]:
    """What people read, in order."""
    found = [
        changes(comparison),
        costs(comparison),
        learning(comparison),
        overlaps(comparison),
        amortised(comparison),
        *break_evens(comparison),
        left_out(comparison),
    ]
    return [table for table in found if table is not None]


def bench_table(bench: CompareBench) -> Table:
    """The table of `archsim bench compare`."""
    whole = ("all together", bench.whole_s, bench.goal_s)
    records = [whole, *((m.name, m.wall_s, m.goal_s) for m in bench.methods)]
    columns = (
        Column("name", "method", itemgetter(0)),
        Column("wall_s", "wall", itemgetter(1), "{:.2f} s".format, right=True),
        Column("goal_s", "goal", itemgetter(2), "< {:g} s".format, right=True),
    )
    note = (
        f"All together in up to {bench.workers} processes at once; a method: what it adds to a "
        "comparison in one process, inference included."
    )
    return Table("Comparison", columns, records, note)


# --- columns ------------------------------------------------------------------------------


def _names() -> tuple[Column, Column]:
    return (
        Column("method", "method", attrgetter("method"), fold=14),
        Column("platform", "platform", attrgetter("platform"), fold=16),
    )


def _column(
    name: str, title: str, text: Callable[[Any], str], rank: int = 0, right: bool = True
) -> Column:
    return Column(name, title, attrgetter(name), text, right=right, rank=rank)


def _or(absent: str, text: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: absent if value is None else text(value)


def _count(value: int) -> str:
    """Exact while short, else with a prefix."""
    return figures.count(value) if value < 100_000 else _magnitude(value)


def _bits(value: int) -> str:
    return format_quantity(value / 8, "B") if value else "0"


def _magnitude(value: float) -> str:
    return figures.magnitude(value, "").strip()


def _signed(unit: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        if value == 0:
            return "0"
        return ("+" if value > 0 else "-") + format_quantity(abs(value), unit)

    return text


def _adapting(row: ComparisonRow) -> float:
    """Share of the amortised energy that is not inference."""
    return 1 - row.inference_energy_j / row.amortised_energy_j


def _short(row: MethodFigures) -> str:
    return row.method if row.device == "chip" else row.platform.split(",")[0]


def _crossing(found: dict[tuple[str, str], Crossing], than: str) -> Callable[[ComparisonRow], str]:
    def text(row: ComparisonRow) -> str:
        crossing = found.get((row.name, than))
        return "-" if crossing is None else crossing_text(crossing)

    return text


def crossing_text(crossing: Crossing) -> str:
    """`from 2,914` inferences per task, `until 12`, `always` or `never`."""
    at = crossing.inferences_per_task
    if at is None:
        return crossing.answer
    if crossing.answer == "from":
        first = math.floor(at) + 1  # the first whole number that costs less
        return "always" if first <= 1 else f"from {_count(first)}"
    last = math.ceil(at) - 1
    return "never" if last < 1 else f"until {_count(last)}"
