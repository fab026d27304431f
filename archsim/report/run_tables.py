"""The tables of a run: headline figures, energy by component kind, layers."""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from archsim.tables import figures
from archsim.tables.table import Column, Table, to_markdown

if TYPE_CHECKING:
    from archsim.result import Generated, Limit, Result, TakenTurns


def _place(runs_on: str) -> str:
    """Where a layer runs; one that is fused stands right below the one it is fused to."""
    return "fused" if runs_on.startswith("after ") else runs_on


LAYER_COLUMNS = (
    Column("name", "layer", attrgetter("name"), fold=16),
    Column("op", "op", attrgetter("op"), rank=5),
    Column("runs_on", "runs on", attrgetter("runs_on"), _place, rank=3, fold=14),
    Column("positions", "positions", attrgetter("positions"), shown=False),
    Column("replicas", "copies", attrgetter("replicas"), figures.count, right=True, rank=4),
    Column("tiles", "tiles", attrgetter("tiles"), shown=False),
    Column("arrays", "arrays", attrgetter("arrays"), figures.count, right=True, rank=2),
    Column("macs", "MACs", attrgetter("macs"), shown=False),
    Column("utilisation", "used", attrgetter("utilisation"), figures.percent, right=True, rank=2),
    Column("start_s", "start", attrgetter("start_s"), figures.seconds, right=True, rank=3),
    Column("finish_s", "finish", attrgetter("finish_s"), figures.seconds, right=True),
    Column("energy_j", "energy", attrgetter("energy_j"), figures.joules, right=True, rank=1),
    Column("waited_for", "waited for", attrgetter("waited_for"), rank=2, fold=28),
)
HEADLINE_COLUMNS = (
    Column("figure", "figure", itemgetter(0), fold=12),
    Column("value", "value", itemgetter(1), fold=14),
)


def headline(result: Result) -> Table:
    """Every single figure of a run that people ask for first."""
    batch = result.inputs.batch
    title = f"{result.inputs.trace_name} on {result.inputs.arch_name}, batch {batch}"
    whole = f"latency of {batch} inferences" if batch > 1 else "latency"
    records = [
        (whole, f"{figures.count(result.cycles)} cycles, {figures.seconds(result.latency_s)}"),
    ]
    if batch > 1:
        records += [
            ("first inference", figures.seconds(result.first_latency_s)),
            ("interval", figures.seconds(result.interval_s)),
        ]
    if result.limit is not None:
        records += _limit(result.limit, result)
    if result.turns is not None:
        records += _turns(result.turns)
    if result.generated is not None:
        records += _generated(result.generated)
    static = _share(result.energy_static_j, result.energy_j)
    native = result.peak_tops
    records += [
        ("throughput", figures.rate(result.throughput_inf_per_s)),
        (
            "energy per inference",
            f"{figures.joules(result.energy_j)} ({figures.percent(static)} of it static)",
        ),
        ("average power", figures.watts(result.power_w)),
        ("achieved", f"{figures.tops(result.tops)}, {figures.tops_per_watt(result.tops_per_w)}"),
        ("peak, native precision", figures.tops(native)),
        (
            f"peak, {result.weight_bits}-bit weights, {result.input_bits}-bit inputs",
            figures.tops(result.peak_tops_run),
        ),
        ("area", figures.area(result.area_mm2)),
        (
            "arrays used",
            f"{figures.count(result.arrays_used)} of {figures.count(result.arrays_total)}",
        ),
        ("array utilisation", figures.percent(result.utilisation)),
        ("chips", figures.count(result.chips)),
        (
            "engine",
            f"{result.engine}: {figures.magnitude(result.services, 'services')} in "
            f"{figures.seconds(result.wall_s)}, "
            f"{figures.magnitude(_share(result.services, result.wall_s), 'services/s')}",
        ),
    ]
    return Table(title, HEADLINE_COLUMNS, records, f"Value statistics {result.value_statistics}.")


def _limit(limit: Limit, result: Result) -> list[tuple[str, str]]:
    """How far the run is from what no mapping can beat, and what sets that."""
    found = []
    for name, seconds, least, by in (
        ("latency", result.first_latency_s, limit.latency_s, limit.latency_by),
        ("interval", result.interval_s, limit.interval_s, limit.interval_by),
    ):
        if least > 0 and (name == "latency" or result.inputs.batch > 1):
            found.append((f"{name} over limit", f"{seconds / least:.2f} x the chip's limit ({by})"))
    return found


def _turns(turns: TakenTurns) -> list[tuple[str, str]]:
    hidden = figures.percent(_share(turns.hidden_s, turns.load_s))
    return [
        ("passes of weights", f"{turns.passes}, on {turns.banks} banks in turn"),
        ("loading", f"{figures.seconds(turns.load_s)}, {hidden} of it while layers compute"),
        ("energy of loading", f"{figures.joules(turns.load_j)} per inference"),
        ("DRAM traffic", f"{figures.magnitude(turns.dram_bits / 8, 'B')} per inference"),
        ("writes of a cell", f"{turns.wear:.3g} per inference"),
    ]


def _generated(run: Generated) -> list[tuple[str, str]]:
    records = [
        (f"first token, after {figures.count(run.prompt)}", figures.seconds(run.first_token_s)),
    ]
    if run.decode:
        step = f"{figures.seconds(run.step_s)}, {run.tokens_per_s:,.1f} tokens/s"
        records.append((f"decode step, mean of {figures.count(run.decode)}", step))
    return records


def energy(result: Result) -> Table:
    """Joules per inference of each component kind, the largest first, and their sum."""
    kinds = sorted(result.energy_breakdown_j.items(), key=lambda item: -item[1])
    largest = max((joules for _, joules in kinds), default=0.0)
    total = result.energy_j
    records: list[dict[str, Any]] = [
        {
            "kind": kind,
            "joules": joules,
            "share": _share(joules, total),
            "bar": figures.bar(joules, largest),
        }
        for kind, joules in kinds
    ]
    records.append({"kind": "total", "joules": total, "share": _share(total, total), "bar": ""})
    columns = (
        Column("kind", "component kind", itemgetter("kind"), fold=12),
        Column(
            "energy_j", "energy per inference", itemgetter("joules"), figures.joules, right=True
        ),
        Column("share", "share", itemgetter("share"), figures.percent, right=True, rank=1),
        Column("bar", "", itemgetter("bar"), rank=2, data=False),
    )
    return Table("Energy by component kind", columns, records)


def layers(result: Result) -> Table:
    """One row per layer. Energy is dynamic energy per inference."""
    return Table(
        "Layers",
        LAYER_COLUMNS,
        result.layers,
        "Energy is per inference, static power left out; times count from the start of the run; "
        "a fused layer runs with the one above it.",
    )


def summary(result: Result) -> str:
    """All tables of a run as one Markdown page."""
    inputs = result.inputs
    origin = (
        f"archsim {inputs.archsim}, architecture sha256 `{inputs.arch_sha256}`, "
        f"trace sha256 `{inputs.trace_sha256}`, digest `{result.digest}`."
    )
    tables = (headline(result), energy(result), layers(result))
    return "\n".join(["# archsim run\n", *map(to_markdown, tables), origin]) + "\n"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
