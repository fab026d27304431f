"""A task switch while inferences run: both in one Program, and what they do to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.adaptation.adapted import Adapted
from archsim.mapping.options import MapOptions
from archsim.options import DEFAULT_RUN, RunOptions

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.mapping.written import Rewrite


@dataclass(frozen=True)
class Overlap:
    """A switch that begins together with `inferences` inferences, beside those inferences alone.

    programming_s, inference_s: until the last write and the last inference are done, together;
    inference_alone_s: without the switch; together_j, alone_j: joules of both runs, static power
    included.
    """

    inferences: int
    programming_s: float
    inference_s: float
    inference_alone_s: float
    together_j: float
    alone_j: float

    @property
    def slow_down(self) -> float:
        """Time of the inferences with the switch over that without it."""
        return self.inference_s / self.inference_alone_s

    @property
    def delay_s(self) -> float:
        """What the switch adds to the time until everything is done."""
        return max(self.programming_s, self.inference_s) - self.inference_alone_s

    @property
    def extra_j(self) -> float:
        """What the switch adds to the energy."""
        return self.together_j - self.alone_j


def overlap(
    arch: Architecture,
    adapted: Adapted,
    inferences: int,
    run: RunOptions = DEFAULT_RUN,
    *,
    seed: int = 0,
) -> Overlap:
    """Simulate inferences with and without the flows of a task switch beside them.

    Arrays, converters, buses and links are contended for. That an array computes with a task's
    cells until its own rows are written is not modelled. Raises InputError as map_trace does.
    """
    from archsim.costing.energy import cost
    from archsim.costing.values import layer_values
    from archsim.engine import run_program
    from archsim.mapping.lower import map_trace

    values = layer_values(adapted.trace, arch, measured=run.statistics)

    def simulated(rewrites: tuple[Rewrite, ...]) -> tuple[float, float, float]:
        """Seconds until the last write and until the last inference, and joules."""
        mapped = map_trace(
            arch,
            adapted.trace,
            run.only(MapOptions),
            batch=inferences,
            placement=adapted.placement,
            rewrites=rewrites,
            seed=seed,
        )
        activity = run_program(mapped.program)
        energy = cost(
            arch,
            mapped.actions,
            activity.counts,
            activity.makespan * mapped.tick,
            mapped.chips,
            values,
        )
        written = max((int(activity.finish[f].max()) for f in mapped.written.flows), default=0)
        done = max(int(activity.finish[info.flows[1]].max()) for info in mapped.operations)
        return written * mapped.tick, done * mapped.tick, energy.total

    _, alone_s, alone_j = simulated(())
    if not adapted.switch:
        return Overlap(inferences, 0.0, alone_s, alone_s, alone_j, alone_j)
    programming_s, inference_s, together_j = simulated(adapted.switch)
    return Overlap(inferences, programming_s, inference_s, alone_s, together_j, alone_j)
