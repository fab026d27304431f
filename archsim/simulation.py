"""From an architecture and a trace to a Result: the whole way in one function."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.engine.activity import Activity
    from archsim.mapping.mapped import Mapped
    from archsim.mapping.placement import Placement
    from archsim.result import Result
    from archsim.trace.model import Trace

Progress = Callable[[str, int, int], None]  # (phase, done, total)
Memory = MutableMapping[str, "tuple[Mapped, Activity]"]


def simulate(
    arch: Architecture | str | Path,
    trace: Trace | str | Path,
    *,
    batch: int = 1,
    chips: int | None = 1,
    engine: str = "fast",
    replicate: bool = True,
    fold_lock_step: bool = True,
    merge_beats: bool = True,
    max_plus: bool = True,
    steady_state: bool = True,
    statistics: bool = True,
    placement: Placement | None = None,
    memory: Memory | None = None,
    details: bool = True,
    timeline: str | Path | None = None,
    timeline_limit: int = 100_000,
    progress: Progress | None = None,
) -> Result:
    """Simulate `batch` inferences of a trace on an architecture, cycle by cycle.

    arch, trace: loaded objects or paths; chips: how many, None for as many as the model needs;
    engine: "fast" or "reference" (equal in every tick); replicate: copy early layers to balance
    the pipeline; fold_lock_step, merge_beats, max_plus,
    steady_state: exact shortcuts of the fast engine; statistics: let
    the trace's value statistics change energies, else codes are uniform and random; placement:
    what an adaptation method puts elsewhere than in arrays; memory: runs that differ from this one
    in nothing but costs are taken from it, and this one is added; details: without them the Result
    has its figures and the energy of each component, and neither layers, value factors, critical
    path, floor plan nor generation; timeline: a file to record, .json or .pftrace, with about
    timeline_limit slices at most (the run then takes no shortcuts). Raises InputError for bad
    input.
    """
    from archsim.engine import run_program
    from archsim.errors import InputError
    from archsim.mapping.lower import map_trace
    from archsim.mapping.placement import AS_USUAL

    begun = time.perf_counter()
    for word, number in (("batch", batch), ("number of chips", chips)):
        if number is not None and number < 1:
            raise InputError(f"the {word} is {number}.", fix="It must be 1 or more.")
    arch_path, trace_path = _path(arch), _path(trace)
    report = progress or (lambda phase, done, total: None)
    report("loading", 0, 0)
    arch, trace = _loaded(arch, trace)
    key = ""
    if memory is not None and timeline is None:
        key = program_key(arch, trace, batch, chips, replicate, placement or AS_USUAL, engine)
    known = memory.get(key) if memory else None
    if known is None:
        report("mapping", 0, 0)
        mapped = map_trace(
            arch,
            trace,
            batch=batch,
            chips=chips,
            replicate=replicate,
            placement=placement or AS_USUAL,
        )
        _check_memory(int(mapped.program.flow_instances.sum()), batch)
        report("simulating", 0, int(mapped.program.flow_instances.sum()))
    if known is not None:
        mapped, activity = known
    elif timeline is None:
        activity = run_program(
            mapped.program,
            engine,
            lambda done, total: report("simulating", done, total),
            fold_lock_step=fold_lock_step,
            merge_beats=merge_beats,
            max_plus=max_plus,
            steady_state=steady_state,
        )
    else:
        from archsim.costing.values import layer_values
        from archsim.timeline.record import record
        from archsim.timeline.write import write_timeline

        recorded, activity = record(
            arch,
            mapped,
            layer_values(trace, arch, measured=statistics),
            name=f"{trace.name} on {arch.name}, batch {batch}",
            limit=timeline_limit,
            engine=engine,
            progress=lambda done, total: report("simulating", done, total),
        )
        write_timeline(timeline, recorded)
    if memory is not None and key:
        memory[key] = mapped, activity
    report("costing", 0, 0)
    options = {"batch": batch, "replicate": replicate, "statistics": statistics}
    paths = (arch_path, trace_path)
    return _result(arch, trace, mapped, activity, options, paths, begun, details)


def program_key(arch: Architecture, trace: Trace, *options: object) -> str:
    """What the Program of a run depends on, for a `memory` of runs."""
    from archsim.arch.structure import structure_hash

    return " ".join([structure_hash(arch), content_hash(trace), *map(repr, options)])


def _check_memory(instances: int, batch: int) -> None:
    """InputError if the times of all instances (two int64 each, and copies) exceed the memory."""
    from archsim.errors import InputError

    needed = 4 * 8 * instances
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > present:
        raise InputError(
            f"a batch of {batch} makes {instances:,} instances, which take about "
            f"{needed / 1e9:.0f} GB; this machine has {present / 1e9:.0f} GB.",
            fix="Use a smaller batch.",
        )


def _path(value: object) -> str:
    return str(value) if isinstance(value, str | Path) else ""


def _loaded(
    arch: Architecture | str | Path, trace: Trace | str | Path
) -> tuple[Architecture, Trace]:
    from archsim.arch.load import load_arch
    from archsim.trace.load import load_trace

    return (
        load_arch(arch) if isinstance(arch, str | Path) else arch,
        load_trace(trace) if isinstance(trace, str | Path) else trace,
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
    options: dict[str, Any],
    paths: tuple[str, str],
    begun: float,
    details: bool,
) -> Result:
    import archsim
    from archsim.analysis.details import NO_DETAILS, run_details
    from archsim.arch.totals import chip_total, peak_tops
    from archsim.costing.energy import cost
    from archsim.costing.values import layer_values
    from archsim.result import Inputs, Result

    seconds = activity.makespan * mapped.tick
    batch, measured = options["batch"], options["statistics"]
    values = layer_values(trace, arch, measured=measured)
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
    arrays = [r for info in mapped.operations for r in info.arrays]
    weight_bits, input_bits = mapped.precision
    tops = 2e-12 * macs / seconds
    found = NO_DETAILS
    if details:
        found = run_details(arch, trace, mapped, activity, options, values, energy)
    return Result(
        inputs=Inputs(
            arch=paths[0],
            arch_name=arch.name,
            arch_sha256=content_hash(arch),
            trace=paths[1],
            trace_name=trace.name,
            trace_sha256=content_hash(trace),
            chips=mapped.chips,
            **options,
            archsim=archsim.__version__,
        ),
        engine=activity.engine,
        cycles=-(-activity.makespan // max(round(1 / arch.clock / mapped.tick), 1)),
        tick_s=mapped.tick,
        ticks=activity.makespan,
        latency_s=seconds,
        first_latency_s=finishes[0] * mapped.tick,
        interval_s=(finishes[-1] - finishes[-2] if batch > 1 else finishes[-1]) * mapped.tick,
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


def _inference_finishes(mapped: Mapped, activity: Activity, batch: int) -> list[int]:
    """When each inference of the batch was done: the last of its instances in any operation."""
    ends = [0] * batch
    for info in mapped.operations:
        by_inference = activity.finish[info.flows[1]].reshape(batch, info.positions).max(axis=1)
        ends = [max(a, int(b)) for a, b in zip(ends, by_inference, strict=True)]
    return ends
