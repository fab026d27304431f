"""A method on a chip, simulated: inference with its additions, and what a task switch takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.method import Method
from archsim.mapping.options import MapOptions
from archsim.options import DEFAULT_RUN, RunOptions

if TYPE_CHECKING:
    from archsim.arch.model import Architecture
    from archsim.mapping.mapped import Mapped
    from archsim.mapping.written import Rewrite
    from archsim.result import Result
    from archsim.simulation import Memory
    from archsim.trace.model import Trace


@dataclass(frozen=True)
class Switch:
    """One change of task, all copies of a layer together.

    seconds, joules: from the first bit loaded to the last verified, static power of the chips
    included (`static` of the joules); cells, pulses, rows: programmed in arrays; bits: written into
    other memories; wear: mean cycles of a cell of the array that is worn most; endurance: cycles
    that a cell survives.
    """

    seconds: float = 0.0
    joules: float = 0.0
    static: float = 0.0
    rows: int = 0
    cells: int = 0
    pulses: int = 0
    bits: int = 0
    wear: float = 0.0
    endurance: float = math.inf

    @property
    def switches_until_worn(self) -> float:
        """Task switches until the array that is worn most has used its endurance up."""
        return self.endurance / self.wear if self.wear else math.inf


@dataclass(frozen=True)
class Evaluation:
    """A method on one chip and model.

    inference: of `batch` inferences of the adapted model; once: before the first task; switch: for
    each task; learning: joules and seconds are in archsim.adaptation.learn.
    """

    method: Method
    adapted: Adapted
    inference: Result
    once: Switch
    switch: Switch


def evaluate(
    method: Method,
    arch: Architecture,
    trace: Trace,
    run: RunOptions = DEFAULT_RUN,
    *,
    seed: int = 0,
) -> Evaluation:
    """Simulate a method: an inference, the first set-up, and one task switch.

    Raises InputError if the chip cannot hold the adapted model or lacks a part that the method
    needs.
    """
    from archsim.simulation import simulate

    adapted = method.adapt(trace, arch)
    result = simulate(arch, adapted.trace, run, placement=adapted.placement)

    def written(rewrites: tuple[Rewrite, ...]) -> Switch:
        return write(arch, adapted, rewrites, run.on(result.chips), seed=seed)

    return Evaluation(
        method=method,
        adapted=adapted,
        inference=result,
        once=written(adapted.once),
        switch=written(adapted.switch),
    )


def write(
    arch: Architecture,
    adapted: Adapted,
    rewrites: tuple[Rewrite, ...],
    run: RunOptions = DEFAULT_RUN,
    *,
    seed: int = 0,
    memory: Memory | None = None,
) -> Switch:
    """Simulate the writes of a switch on an otherwise idle chip.

    run: as for inferences, of which there are none meanwhile; memory: as in archsim.simulate;
    writes that differ in nothing but costs are taken from it.
    """
    from archsim.costing.energy import cost
    from archsim.costing.values import layer_values
    from archsim.engine import run_program
    from archsim.mapping.lower import map_trace
    from archsim.simulation import program_key

    if not rewrites:
        return Switch()
    options = run.only(MapOptions)
    made_of = (options, adapted.placement, rewrites, seed)
    key = program_key(arch, adapted.trace, *made_of) if memory is not None else ""
    known = memory.get(key) if memory is not None else None
    if known is None:
        mapped = map_trace(
            arch,
            adapted.trace,
            options,
            batch=0,
            placement=adapted.placement,
            rewrites=rewrites,
            seed=seed,
        )
        known = mapped, run_program(mapped.program)
    if memory is not None:
        memory[key] = known
    mapped, activity = known
    seconds = activity.makespan * mapped.tick
    values = layer_values(adapted.trace, arch, measured=run.statistics)
    energy = cost(arch, mapped.actions, activity.counts, seconds, mapped.chips, values)
    return switch_of(arch, mapped, seconds, energy.total, energy.static)


def switch_of(
    arch: Architecture, mapped: Mapped, seconds: float, joules: float, static: float
) -> Switch:
    """What the flows of a switch have written, with their time and energy."""
    from archsim.mapping.programming import cell_endurance

    written = mapped.written
    return Switch(
        seconds=seconds,
        joules=joules,
        static=static,
        rows=written.rows,
        cells=written.cells,
        pulses=written.pulses,
        bits=written.bits,
        wear=written.wear,
        endurance=cell_endurance(arch) if written.pulses else math.inf,
    )
