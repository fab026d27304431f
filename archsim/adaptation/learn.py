"""On-device learning: a training step simulated on the chip, updates included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archsim.adaptation.adapted import Adapted
from archsim.options import RunOptions

if TYPE_CHECKING:
    from archsim.adaptation.evaluate import Switch
    from archsim.arch.model import Architecture
    from archsim.learning.work import LearningWork
    from archsim.mapping.written import Rewrite
    from archsim.result import Result
    from archsim.trace.model import Trace

AS_MANY_AS_NEEDED = RunOptions(chips="auto")


@dataclass(frozen=True)
class Step:
    """One training step on a mini-batch.

    passes: forward and backward of the mini-batch, one sample behind the other (its energy is per
    sample); update: the writes behind it; batch: samples.
    """

    passes: Result
    update: Switch
    batch: int

    @property
    def seconds(self) -> float:
        return self.passes.latency_s + self.update.seconds

    @property
    def joules(self) -> float:
        return self.passes.energy_total_j + self.update.joules


def chip_step(
    arch: Architecture,
    adapted: Adapted,
    work: LearningWork,
    run: RunOptions = AS_MANY_AS_NEEDED,
    *,
    seed: int = 0,
) -> Step:
    """Simulate one training step of an adapted model on a chip.

    work: archsim.learning.learning_work of `adapted.trace` and what it trains, with the mini-batch.
    Transposed weights stand beside the weights, so that more chips may be needed than for
    inference; as many are taken as it needs unless `run` says otherwise. The batch is that of the
    work, and layers are not replicated, whatever `run` says. The update rewrites what a task switch
    does, and its transposed copies. Raises InputError for a layer whose backward pass is not
    modelled.
    """
    from archsim.adaptation.evaluate import write
    from archsim.learning.backward import training_trace, transposed_of
    from archsim.simulation import simulate

    run = run.model_copy(update={"batch": work.batch, "replicate": False})
    trace = training_trace(adapted.trace, work)
    placement = adapted.placement
    units, beside = dict(placement.units), dict(placement.beside)
    for layer in trace.layers:
        forward = transposed_of(layer.name)
        if forward is not None and forward in placement.units:
            units[layer.name] = placement.units[forward]
            beside[layer.name] = placement.beside.get(forward, forward)
    passes = simulate(
        arch,
        trace,
        run,
        placement=replace(placement, units=units, beside=beside),
    )
    update = write(
        arch,
        replace(adapted, trace=trace, placement=replace(placement, units=units, beside=beside)),
        (*adapted.switch, *_of_transposed(adapted.switch, trace)),
        run.on(passes.chips),
        seed=seed,
    )
    return Step(passes, update, work.batch)


def _of_transposed(rewrites: tuple[Rewrite, ...], trace: Trace) -> tuple[Rewrite, ...]:
    """The same writes for transposed weights, which stand in arrays or a unit's memory too."""
    from archsim.learning.backward import transposed_of

    names = {transposed_of(layer.name): layer.name for layer in trace.layers}
    return tuple(
        replace(rewrite, layer=names[rewrite.layer])
        for rewrite in rewrites
        if rewrite.home in ("array", "unit") and rewrite.layer in names
    )
