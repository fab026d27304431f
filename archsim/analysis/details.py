"""What a Result says of single layers, values and places, beyond the figures of the whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.components.values import Values
    from archsim.costing.energy import Energy
    from archsim.engine.activity import Activity
    from archsim.mapping.mapped import Mapped, OperationInfo
    from archsim.options import RunOptions
    from archsim.program import Ints
    from archsim.result import LayerResult
    from archsim.trace.model import Trace

NO_DETAILS: Final[dict[str, Any]] = {"layers": [], "value_statistics": ""}
"""The fields of a Result in place of `run_details`, where nobody asks for them."""


def run_details(
    arch: Architecture,
    trace: Trace,
    mapped: Mapped,
    activity: Activity,
    run: RunOptions,
    values: dict[str, Values],
    energy: Energy,
) -> dict[str, Any]:
    """Fields of a Result, by name.

    values: of the layers in this run; energy: of the whole batch.
    """
    from archsim.analysis.critical_path import critical_path
    from archsim.analysis.floor_plan import floor_plan
    from archsim.analysis.generation import generated
    from archsim.analysis.value_report import describe, value_factors
    from archsim.costing.energy import cost
    from archsim.costing.values import layer_values

    seconds, batch = activity.makespan * mapped.tick, run.batch
    usual = layer_values(trace, arch, measured=False)
    unmeasured = cost(arch, mapped.actions, activity.counts, seconds, mapped.chips, usual)
    return {
        "layers": _layers(trace, mapped, activity, energy.by_layer, batch),
        "value_statistics": describe(values, energy, unmeasured, run.statistics),
        "value_factors": value_factors(arch, values, energy),
        "energy_random_values_j": unmeasured.total / batch,
        "critical_path": critical_path(mapped, activity),
        "floor": floor_plan(arch, mapped, activity),
        "generated": generated(trace, mapped, activity),
    }


def _layers(
    trace: Trace, mapped: Mapped, activity: Activity, energy: dict[str, float], batch: int
) -> list[LayerResult]:
    from archsim.analysis.waiting import waits
    from archsim.result import LayerResult

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
                macs=info.macs,
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
    own = np.array([mapped.part(r) == info.part for r in resources.tolist()], bool)
    if not own.any():
        return 0.0
    busy = stage_busy[stages][own].sum()
    return float(busy / (len(np.unique(resources[own])) * makespan))
