"""Compare adaptation methods on a chip with one another and with GPUs, over a scenario of tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.break_even import break_even
from archsim.adaptation.common_base import common_choice
from archsim.adaptation.comparison_file import Experiment
from archsim.adaptation.comparison_jobs import Job, Learning, run_jobs
from archsim.adaptation.comparison_result import (
    Comparison,
    ComparisonInputs,
    ComparisonRow,
    Crossing,
    MethodFigures,
    OverlapFigures,
    Unfit,
)
from archsim.adaptation.evaluate import Switch
from archsim.adaptation.gpu_rows import gpu_rows
from archsim.adaptation.overlap import Overlap
from archsim.adaptation.residency import residents, written_switches
from archsim.errors import InputError
from archsim.mapping.placement import AS_USUAL
from archsim.result import Result

Progress = Callable[[str, int, int], None]  # (what is done, how many are, how many there are)
BASE = "the model as it is"


def compare(
    experiment: Experiment,
    *,
    skip_unfit: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Comparison:
    """Simulate all methods, work out the GPUs, and amortise both over the scenario.

    skip_unfit: a method that the chip cannot hold, or a GPU that cannot hold the model, is named in
    `unfit`. workers: processes; a script that uses more than one must guard its entry point by
    `if __name__ == "__main__"`. Raises InputError for an unfit method or GPU otherwise.
    """
    unfit: list[Unfit] = []

    def refuse(method: str, platform: str, fault: InputError) -> None:
        if not skip_unfit:
            raise InputError(
                fault.what,
                fault.where or f"{method} on {platform}",
                f"{fault.fix + ' ' if fault.fix else ''}--skip-unfit leaves it out.",
            ) from None
        unfit.append(Unfit(method=method, platform=platform, reason=fault.what))

    found: list[MethodFigures] = []
    gpus: list[MethodFigures] = []
    for name, (gpu, choice) in experiment.gpus.items():
        try:
            gpus += gpu_rows(gpu, name, choice, experiment.trace, experiment.options.learn)
        except InputError as fault:
            refuse("all", name, fault)
    adapted: dict[str, Adapted] = {}
    for name, method in experiment.methods.items():
        try:
            adapted[name] = method.adapt(experiment.trace, experiment.arch)
        except InputError as fault:
            refuse(name, experiment.arch.name, fault)
    options = experiment.options
    common = common_choice(experiment.arch, experiment.trace, adapted.values(), options)
    options = options.model_copy(update={"choice": common})
    alike = replace(experiment, options=options)  # the same base for all
    done = _simulated(alike, adapted, workers, progress)
    for name, one in adapted.items():
        try:
            found.append(_chip_figures(alike, name, one, done))
        except InputError as fault:
            refuse(name, experiment.arch.name, fault)
    if not found and not gpus:
        raise InputError(
            f"none of the methods fits: {unfit[0].reason}", fix="Use another chip or other methods."
        )
    rows = _over_scenario(experiment, [*found, *gpus])
    tasks = len(experiment.scenario.tasks())
    return Comparison(
        name=experiment.name,
        inputs=_inputs(experiment),
        tasks=tasks,
        inferences=experiment.scenario.inferences(),
        rows=rows,
        unfit=unfit,
        break_even=_crossings(rows, tasks),
    )


def _simulated(
    experiment: Experiment, adapted: dict[str, Adapted], workers: int, progress: Progress | None
) -> dict[str, Any]:
    """Outcomes of all jobs by `method: kind`; what runs alike is simulated once."""
    options = experiment.options
    base = Adapted(experiment.trace, (), 0, 0, frozenset())
    jobs: dict[str, Job] = {}
    for name, one in adapted.items():
        if one.switch:
            jobs[f"{name}: switch"] = Job("switch", one)
        if one.once:
            jobs[f"{name}: once"] = Job("once", one)
        if options.overlap:
            jobs[f"{name}: overlap"] = Job("overlap", one)
        if options.learn is not None and (one.trainable or one.biases):
            jobs[f"{name}: learning"] = Job("learning", one)
    # What programs most cells takes longest, and goes first so that no process waits for it alone.
    jobs = dict(sorted(jobs.items(), key=lambda item: -_programmed(item[1])))
    jobs[f"{BASE}: inference"] = Job("inference", base)
    alike = []
    for name, one in adapted.items():
        if one.trace is experiment.trace and one.placement == AS_USUAL:
            alike.append(name)
        else:
            jobs[f"{name}: inference"] = Job("inference", one)
    done = run_jobs(experiment.arch, options, jobs, workers=workers, progress=progress)
    for name in alike:
        done[f"{name}: inference"] = done[f"{BASE}: inference"]
    return done


def _programmed(job: Job) -> float:
    """Weights that a job programs into arrays, as a measure of its time."""
    rewrites = job.adapted.once if job.kind == "once" else job.adapted.switch
    weights = {layer.name: layer.parameters() for layer in job.adapted.trace.layers}
    return sum(weights[r.layer] * r.pes for r in rewrites if r.home == "array")


def _chip_figures(
    experiment: Experiment, name: str, one: Adapted, done: dict[str, Any]
) -> MethodFigures:
    """A row of the chip; InputError if one of its simulations had one."""

    def outcome(kind: str, method: str = name) -> Any:
        found = done.get(f"{method}: {kind}")
        if isinstance(found, InputError):
            raise found
        return found

    base: Result = outcome("inference", BASE)
    result: Result = outcome("inference")
    switch: Switch = outcome("switch") or Switch()
    once: Switch = outcome("once") or Switch()
    learnt: Learning | None = outcome("learning")
    beside: Overlap | None = outcome("overlap")
    options, batch = experiment.options, result.inputs.batch
    held = residents(experiment.arch, one, options)
    wear = switch.wear + (learnt.updated if learnt else 0.0)
    return MethodFigures(
        method=name,
        platform=experiment.arch.name,
        device="chip",
        precision=f"w{result.weight_bits}/i{result.input_bits}",
        batch=batch,
        chips=result.chips,
        trained=one.trained,
        adapted_layers=one.adapts,
        stored_bits=one.stored_bits,
        rows_programmed=switch.rows,
        cells_programmed=switch.cells,
        pulses=switch.pulses,
        bits_written=switch.bits,
        inference_energy_j=result.energy_j,
        inference_static_j=result.energy_static_j,
        inference_latency_s=result.latency_s / batch,
        extra_energy_j=result.energy_j - base.energy_j,
        extra_latency_s=(result.latency_s - base.latency_s) / batch,
        tops_per_w=result.tops_per_w,
        first_token_s=result.generated.first_token_s if result.generated else None,
        token_s=result.generated.step_s if result.generated else None,
        switch_energy_j=switch.joules,
        switch_latency_s=switch.seconds,
        once_energy_j=once.joules,
        once_latency_s=once.seconds,
        learning_energy_j=learnt.joules if learnt else 0.0,
        learning_latency_s=learnt.seconds if learnt else 0.0,
        learning_chips=learnt.chips if learnt else None,
        peak_memory_bits=learnt.peak_bits if learnt else None,
        switches_until_worn=switch.endurance / wear if wear else None,
        residents=None if held == math.inf else int(held),
        overlap=_overlap_figures(beside) if beside else None,
    )


def _overlap_figures(found: Overlap) -> OverlapFigures:
    return OverlapFigures(**{name: getattr(found, name) for name in OverlapFigures.model_fields})


def _over_scenario(experiment: Experiment, found: list[MethodFigures]) -> list[ComparisonRow]:
    scenario = experiment.scenario
    tasks, inferences = len(scenario.tasks()), scenario.inferences()
    known: dict[float, int] = {}  # a long scenario is replayed once for each capacity
    rows = []
    for one in found:
        switches = 0
        if one.adapts:
            held = math.inf if one.residents is None else float(one.residents)
            if held not in known:
                known[held] = written_switches(scenario, held)
            switches = known[held]
        rows.append(
            ComparisonRow(
                **one.model_dump(),
                switches=switches,
                amortised_energy_j=one.energy.total(inferences, switches, tasks) / inferences,
                amortised_latency_s=one.latency.total(inferences, switches, tasks) / inferences,
            )
        )
    first = next((row.platform for row in rows if row.device == "gpu"), None)
    best = min(
        (row.amortised_energy_j for row in rows if row.platform == first and row.adapts),
        default=None,
    )
    if best is None:
        return rows
    return [row.model_copy(update={"gpu_ratio": row.amortised_energy_j / best}) for row in rows]


def _crossings(rows: list[ComparisonRow], tasks: int) -> list[Crossing]:
    """Every pair of rows that adapt, in energy and in time."""
    adapting = [row for row in rows if row.adapts]
    crossings = []
    for own in adapting:
        for other in adapting:
            if own is other:
                continue
            for quantity in ("energy", "latency"):
                lines = [getattr(row, quantity).line(tasks) for row in (own, other)]
                found = break_even(*lines)
                crossings.append(
                    Crossing(
                        row=own.name,
                        than=other.name,
                        quantity=quantity,
                        answer=found.answer,
                        inferences_per_task=found.inferences_per_task,
                    )
                )
    return crossings


def _inputs(experiment: Experiment) -> ComparisonInputs:
    import archsim
    from archsim.simulation import content_hash

    return ComparisonInputs(
        arch=experiment.arch_path,
        arch_name=experiment.arch.name,
        arch_sha256=content_hash(experiment.arch),
        trace=experiment.trace_path,
        trace_name=experiment.trace.name,
        trace_sha256=content_hash(experiment.trace),
        methods=[method.model_dump(mode="json") for method in experiment.methods.values()],
        gpus=[choice.model_dump(mode="json") for _, choice in experiment.gpus.values()],
        scenario=experiment.scenario_path or experiment.scenario.name,
        options=experiment.options.model_dump(mode="json"),
        archsim=archsim.__version__,
    )
