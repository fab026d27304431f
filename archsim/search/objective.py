"""What a mapping is judged by: figures of a whole simulated run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.arch.model import Architecture
from archsim.costing.energy import cost
from archsim.costing.values import layer_values
from archsim.engine import run_program
from archsim.mapping.lower import map_trace
from archsim.mapping.options import MapOptions
from archsim.mapping.placement import Placement
from archsim.options import RunOptions
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Judged:
    """Figures of one mapping. effort: events and stages of its run, as a measure of the time."""

    latency: float
    interval: float
    energy: float
    effort: int

    def of(self, objective: str) -> float:
        """The figure that is to be small."""
        if objective == "edp":
            return self.energy * self.latency
        return float(getattr(self, objective))


def judge(arch: Architecture, trace: Trace, run: RunOptions, placement: Placement) -> Judged:
    """Map and simulate with the choice that the options carry; InputError if it does not fit."""
    mapped = map_trace(arch, trace, run.only(MapOptions), batch=run.batch, placement=placement)
    activity = run_program(mapped.program)
    ends = np.zeros(run.batch, np.int64)
    for info in mapped.operations:
        finish = activity.finish[info.flows[1]].reshape(run.batch, info.positions)
        ends = np.maximum(ends, finish.max(axis=1))
    seconds = activity.makespan * mapped.tick
    values = layer_values(trace, arch, measured=run.statistics)
    energy = cost(arch, mapped.actions, activity.counts, seconds, mapped.chips, values)
    last = ends[-1] - ends[-2] if run.batch > 1 else ends[-1]
    return Judged(
        latency=seconds,
        interval=float(last) * mapped.tick,
        energy=energy.total / run.batch,
        effort=activity.events + 20 * len(mapped.program.stage_resource),
    )
