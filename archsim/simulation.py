"""From an architecture and a trace to a Result: the whole way in one function."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.mapping.options import MapOptions, chosen
from archsim.mapping.placement import AS_USUAL, Placement
from archsim.options import FULL_OUTPUTS, Outputs, RunOptions

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.engine import Engine
    from archsim.engine.activity import Activity
    from archsim.mapping.mapped import Mapped
    from archsim.result import Result
    from archsim.trace.model import Trace

Progress = Callable[[str, int, int], None]  # (phase, done, total)
Memory = MutableMapping[str, "tuple[Mapped, Activity]"]


def simulate(
    arch: Architecture | str | Path,
    trace: Trace | str | Path,
    run: RunOptions | None = None,
    *,
    placement: Placement = AS_USUAL,
    engine: Engine | str = "fast",
    outputs: Outputs = FULL_OUTPUTS,
    memory: Memory | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Simulate inferences of a trace on an architecture, cycle by cycle.

    arch, trace: loaded objects or paths; run: RunOptions, whose fields may also be given by name:
    `simulate(arch, trace, batch=8)`; placement: what an adaptation method puts elsewhere than in
    arrays; engine: "fast" or "reference" (equal in every tick), or an Engine with some shortcuts
    off; outputs: what the run gives beside its figures; memory: runs that differ from this one in
    nothing but costs are taken from it, and this one is added. Raises InputError for bad input.
    """
    begun = time.perf_counter()
    run = chosen(RunOptions, run, options)
    paths = _path(arch), _path(trace)
    report = progress or (lambda phase, done, total: None)
    report("loading", 0, 0)
    arch, trace = _loaded(arch, trace)
    if run.effort and run.choice is None:
        from archsim.search.local import search

        report("searching", 0, 0)
        run = run.model_copy(update={"choice": search(arch, trace, run, placement)})
    mapped, activity = _run(arch, trace, run, placement, engine, outputs, memory, report)
    if outputs.mapping is not None:
        from archsim.mapping.mapping_file import text_of
        from archsim.system.atomic import write_text

        write_text(outputs.mapping, text_of(arch, trace, mapped.choice, mapped.chips))
    report("costing", 0, 0)
    return _result(arch, trace, mapped, activity, run, placement, outputs, paths, begun)


def _run(
    arch: Architecture,
    trace: Trace,
    run: RunOptions,
    placement: Placement,
    engine: Engine | str,
    outputs: Outputs,
    memory: Memory | None,
    report: Progress,
) -> tuple[Mapped, Activity]:
    """Map and run; or take both from the memory, where nothing is to be recorded."""
    from archsim.engine import Engine, run_program
    from archsim.mapping.lower import map_trace
    from archsim.system.memory import check_memory

    engine = Engine(engine) if isinstance(engine, str) else engine
    key = ""
    if memory is not None and outputs.timeline is None:
        key = program_key(arch, trace, run.only(MapOptions), run.batch, placement, engine)
        if key in memory:
            return memory[key]
    report("mapping", 0, 0)
    mapped = map_trace(arch, trace, run.only(MapOptions), batch=run.batch, placement=placement)
    instances = int(mapped.program.flow_instances.sum())
    # two int64 times of each instance, and copies
    what = f"a batch of {run.batch} makes {instances:,} instances"
    check_memory(4 * 8 * instances, what, "Use a smaller batch.")
    report("simulating", 0, instances)

    def step(done: int, total: int) -> None:
        report("simulating", done, total)

    if outputs.timeline is None:
        activity = run_program(mapped.program, engine, step)
    else:
        from archsim.costing.values import layer_values
        from archsim.timeline.record import record
        from archsim.timeline.write import write_timeline

        recorded, activity = record(
            arch,
            mapped,
            layer_values(trace, arch, measured=run.statistics),
            name=f"{trace.name} on {arch.name}, batch {run.batch}",
            limit=outputs.timeline_limit,
            engine=engine.name,
            progress=step,
        )
        write_timeline(outputs.timeline, recorded)
    if memory is not None and key:
        memory[key] = mapped, activity
    return mapped, activity


def program_key(arch: Architecture, trace: Trace, *options: object) -> str:
    """What the Program of a run depends on, for a `memory` of runs."""
    from archsim.arch.structure import structure_hash

    return " ".join([structure_hash(arch), content_hash(trace), *map(repr, options)])


def _path(value: object) -> str:
    return str(value) if isinstance(value, str | Path) else ""


def _loaded(
    arch: Architecture | str | Path, trace: Trace | str | Path
) -> tuple[Architecture, Trace]:
    from archsim.arch.load import load_arch
    from archsim.system.shipped import CHIPS, MODELS, resolve
    from archsim.trace.load import load_trace

    return (
        load_arch(resolve(arch, CHIPS)) if isinstance(arch, str | Path) else arch,
        load_trace(resolve(trace, *MODELS)) if isinstance(trace, str | Path) else trace,
    )


def content_hash(model: Any) -> str:
    """SHA-256 over the content of a validated document, whatever its layout on disk."""
    data = model.model_dump(mode="json", exclude_none=True)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _result(
    arch: Architecture,
    trace: Trace,
    mapped: Mapped,
    activity: Activity,
    run: RunOptions,
    placement: Placement,
    outputs: Outputs,
    paths: tuple[str, str],
    begun: float,
) -> Result:
    import archsim
    from archsim.analysis.details import NO_DETAILS, run_details
    from archsim.analysis.limit import limit_of
    from archsim.analysis.turns import taken_turns
    from archsim.arch.totals import chip_total, peak_tops
    from archsim.costing.energy import cost
    from archsim.costing.values import layer_values
    from archsim.result import Inputs, Result

    seconds = activity.makespan * mapped.tick
    batch = run.batch
    values = layer_values(trace, arch, measured=run.statistics)
    energy = cost(arch, mapped.actions, activity.counts, seconds, mapped.chips, values)
    finishes = _inference_finishes(mapped, activity, batch)
    kinds: dict[str, float] = {}
    parts: dict[str, dict[str, float]] = {}
    components = arch.parts()
    for (path, kind), joules in energy.by_part.items():
        title = type(components[path][0]).title
        kinds[title] = kinds.get(title, 0.0) + joules / batch
        parts.setdefault(path, {})[kind] = joules / batch
    macs = batch * sum(info.macs for info in mapped.operations)
    arrays = sorted({r for info in mapped.operations for r in info.arrays})
    weight_bits, input_bits = mapped.precision
    tops = 2e-12 * macs / seconds
    found = NO_DETAILS
    if outputs.details:
        found = run_details(arch, trace, mapped, activity, run, values, energy)
        found["limit"] = limit_of(arch, trace, mapped, placement)
        found["turns"] = taken_turns(arch, mapped, activity, batch)
    return Result(
        inputs=Inputs(
            arch=paths[0],
            arch_name=arch.name,
            arch_sha256=content_hash(arch),
            trace=paths[1],
            trace_name=trace.name,
            trace_sha256=content_hash(trace),
            **{**dict(run), "chips": mapped.chips},
            archsim=archsim.__version__,
        ),
        engine=activity.engine,
        cycles=-(-activity.makespan // max(round(1 / arch.clock / mapped.tick), 1)),
        tick_s=mapped.tick,
        ticks=activity.makespan,
        latency_s=seconds,
        first_latency_s=finishes[0] * mapped.tick,
        interval_s=_pace(finishes) * mapped.tick,
        throughput_inf_per_s=batch / seconds,
        energy_j=energy.total / batch,
        energy_total_j=energy.total,
        energy_static_j=energy.static / batch,
        energy_breakdown_j=dict(sorted(kinds.items(), key=lambda item: -item[1])),
        power_w=energy.total / seconds,
        macs=macs,
        ops=2 * macs,
        tops=tops,
        tops_per_w=tops / (energy.total / seconds) if energy.total else 0.0,
        peak_tops=mapped.chips * peak_tops(arch),
        peak_tops_run=mapped.chips * peak_tops(arch, weight_bits, input_bits),
        weight_bits=weight_bits,
        input_bits=input_bits,
        area_mm2=mapped.chips * chip_total(arch).area,
        arrays_used=len(arrays),
        arrays_total=mapped.arrays_total,
        chips=mapped.chips,
        utilisation=float(activity.busy[arrays].sum() / activity.makespan / mapped.arrays_total),
        energy_parts_j=parts,
        services=mapped.program.services(),
        events=activity.events,
        digest=activity.digest(),
        **found,
        wall_s=time.perf_counter() - begun,
    )


def _pace(finishes: list[int]) -> float:
    """Ticks from one inference's end to the next one's; of a single one, how long it took."""
    if len(finishes) == 1:
        return finishes[0]
    return (max(finishes) - finishes[0]) / (len(finishes) - 1)


def _inference_finishes(mapped: Mapped, activity: Activity, batch: int) -> list[int]:
    """When each inference of the batch was done: the last of its instances in any operation."""
    ends = [0] * batch
    for info in mapped.operations:
        by_inference = activity.finish[info.flows[1]].reshape(batch, info.positions).max(axis=1)
        ends = [max(a, int(b)) for a, b in zip(ends, by_inference, strict=True)]
    return ends
