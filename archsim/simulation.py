"""From an architecture and a trace to a Result: the whole way in one function."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.engine.activity import Activity
    from archsim.mapping.mapped import Mapped, OperationInfo
    from archsim.program import Ints
    from archsim.result import LayerResult, Result
    from archsim.trace.model import Trace

Progress = Callable[[str, int, int], None]  # (phase, done, total)


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
    progress: Progress | None = None,
) -> Result:
    """Simulate `batch` inferences of a trace on an architecture, cycle by cycle.

    arch, trace: loaded objects or paths; chips: how many, None for as many as the model needs;
    engine: "fast" or "reference" (equal in every tick); replicate: copy early layers to balance
    the pipeline; fold_lock_step, merge_beats: exact shortcuts of the fast engine. Raises InputError
    for bad input.
    """
    from archsim.engine import run_program
    from archsim.errors import InputError
    from archsim.mapping.lower import map_trace

    begun = time.perf_counter()
    for word, number in (("batch", batch), ("number of chips", chips)):
        if number is not None and number < 1:
            raise InputError(f"the {word} is {number}.", fix="It must be 1 or more.")
    arch_path, trace_path = _path(arch), _path(trace)
    report = progress or (lambda phase, done, total: None)
    report("loading", 0, 0)
    arch, trace = _loaded(arch, trace)
    report("mapping", 0, 0)
    mapped = map_trace(arch, trace, batch=batch, chips=chips, replicate=replicate)
    instances = int(mapped.program.flow_instances.sum())
    _check_memory(instances, batch)
    report("simulating", 0, instances)
    activity = run_program(
        mapped.program,
        engine,
        lambda done, total: report("simulating", done, total),
        fold_lock_step=fold_lock_step,
        merge_beats=merge_beats,
    )
    report("costing", 0, 0)
    return _result(arch, trace, mapped, activity, batch, replicate, (arch_path, trace_path), begun)


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
    batch: int,
    replicate: bool,
    paths: tuple[str, str],
    begun: float,
) -> Result:
    import archsim
    from archsim.arch.totals import chip_total, peak_tops
    from archsim.costing import cost
    from archsim.result import Inputs, Result

    seconds = activity.makespan * mapped.tick
    energy = cost(arch, mapped.actions, activity.counts, seconds, mapped.chips)
    finishes = _inference_finishes(mapped, activity, batch)
    kinds: dict[str, float] = {}
    parts: dict[str, dict[str, float]] = {}
    components = arch.parts()
    for (path, kind), joules in energy.by_part.items():
        title = type(components[path][0]).title
        kinds[title] = kinds.get(title, 0.0) + joules / batch
        parts.setdefault(path, {})[kind] = joules / batch
    layers = _layers(trace, mapped, activity, energy.by_layer, batch)
    macs = batch * sum(info.macs * info.positions for info in mapped.operations)
    arrays = [r for info in mapped.operations for r in info.arrays]
    weight_bits, input_bits = mapped.precision
    tops = 2e-12 * macs / seconds
    return Result(
        inputs=Inputs(
            arch=paths[0],
            arch_name=arch.name,
            arch_sha256=content_hash(arch),
            trace=paths[1],
            trace_name=trace.name,
            trace_sha256=content_hash(trace),
            batch=batch,
            chips=mapped.chips,
            replicate=replicate,
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
        layers=layers,
        energy_parts_j=parts,
        services=mapped.program.services(),
        events=activity.events,
        digest=activity.digest(),
        value_statistics="not used: energies per action are averages of the architecture",
        wall_s=time.perf_counter() - begun,
    )


def _inference_finishes(mapped: Mapped, activity: Activity, batch: int) -> list[int]:
    """When each inference of the batch was done: the last of its instances in any operation."""
    ends = [0] * batch
    for info in mapped.operations:
        by_inference = activity.finish[info.flows[1]].reshape(batch, info.positions).max(axis=1)
        ends = [max(a, int(b)) for a, b in zip(ends, by_inference, strict=True)]
    return ends


def _layers(
    trace: Trace, mapped: Mapped, activity: Activity, energy: dict[str, float], batch: int
) -> list[LayerResult]:
    from archsim.result import LayerResult
    from archsim.waiting import waits

    ops = {layer.name: layer.op for layer in trace.layers}
    stage_busy = mapped.program.stage_busy()
    rows = []
    for info, waited in zip(mapped.operations, waits(mapped, activity), strict=True):
        compute, results = info.flows
        shared = {
            "positions": info.positions,
            "replicas": info.lanes,
            "tiles": info.tiles,
            "start_s": float(activity.first_start[compute]) * mapped.tick,
            "finish_s": float(activity.finish[results].max()) * mapped.tick,
        }
        rows.append(
            LayerResult(
                name=info.layers[0],
                op=ops.get(info.layers[0], "input"),
                runs_on=info.part.rsplit(".", 1)[-1] or "host",
                arrays=len(info.arrays),
                macs=info.macs * info.positions,
                utilisation=_utilisation(mapped, stage_busy, activity.makespan, info),
                energy_j=energy.get(info.layers[0], 0.0) / batch,
                waited_for=waited,
                **shared,
            )
        )
        rows += [
            LayerResult(
                name=name,
                op=ops[name],
                runs_on=f"after {info.layers[0]}",
                arrays=0,
                macs=0,
                utilisation=0.0,
                energy_j=energy.get(name, 0.0) / batch,
                waited_for="-",
                **shared,
            )
            for name in info.layers[1:]
        ]
    return rows


def _utilisation(mapped: Mapped, stage_busy: Ints, makespan: int, info: OperationInfo) -> float:
    """Share of the run that an operation keeps the components it computes on busy."""
    import numpy as np

    stages = mapped.program.stages_of(info.flows[0])
    resources = mapped.program.stage_resource[stages]
    own = np.array([mapped.resource_part[r] == info.part for r in resources.tolist()], bool)
    if not own.any():
        return 0.0
    busy = stage_busy[stages][own].sum()
    return float(busy / (len(np.unique(resources[own])) * makespan))
