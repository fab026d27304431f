"""What a training step needs: memory, work, and time and energy on a GPU or on a chip."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from archsim.errors import InputError
from archsim.reproduce.measure import Workbench
from archsim.reproduce.measures.step import StepMeasure

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsim.adaptation.learn import Step
    from archsim.learning.work import LearningWork

WORK = (
    "stored_bits", "peak_bits", "transient_bits", "forward_macs", "backward_macs", "trainable",
    "bits_written",
)  # fmt: skip


class Training(StepMeasure):
    """One figure of one training step on a mini-batch.

    Bits and MACs are those of the step; within: of the stored bits those alone that layers of
    matching whole names keep. gpu_seconds, gpu_joules: on `gpu`, as its roofline has it. chip_:
    simulated. chip_joules = chip_forward_joules + chip_backward_joules (dynamic, of layers
    of the forward pass and of those behind it) + chip_static_joules (while they run) +
    chip_update_joules (the writes, static included; chip_update_dynamic without). chip_seconds =
    chip_passes_seconds + chip_update_seconds; chip_forward_seconds: until the last sample has
    passed forward, others being on their way back by then. chip_update_cells, _pulses, _rows: what
    an update writes in arrays, bits in other memories left out. chip_steps_until_worn: updates that
    the array which is worn most survives, on the mean of its cells.
    """

    kind: Literal["training"]
    of: Literal[
        "stored_bits", "peak_bits", "transient_bits", "forward_macs", "backward_macs", "trainable",
        "bits_written", "step_macs", "gpu_seconds", "gpu_joules", "chip_seconds", "chip_joules",
        "chip_forward_joules", "chip_backward_joules", "chip_static_joules", "chip_update_joules",
        "chip_update_dynamic", "chip_passes_seconds", "chip_forward_seconds", "chip_update_seconds",
        "chip_update_cells", "chip_update_pulses", "chip_update_rows", "chip_steps_until_worn",
        "chip_chips",
    ] = "stored_bits"  # fmt: skip
    within: Annotated[str | None, Field(description="regular expression")] = None
    gpu: str | None = None
    precision: str = "fp32"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.of.startswith("gpu_") and self.gpu is None:
            raise ValueError(f"{self.of} needs a gpu")
        if self.within is not None and self.of != "stored_bits":
            raise ValueError("within is for stored_bits alone")
        if self.of.startswith("chip_") and self.method is None:
            raise ValueError(f"{self.of} needs a method")
        return self

    def value(self, bench: Workbench) -> float:
        """The figure; InputError for a step that cannot be simulated, and for cells that nothing
        wears."""
        work = self.work(bench)
        if self.within is not None:
            kept = (r.stored_bits for r in work.layers if re.fullmatch(self.within, r.name))
            return float(sum(kept))
        if self.of in WORK:
            return float(getattr(work, self.of))
        if self.of == "step_macs":
            return float(work.forward_macs + work.backward_macs)
        if self.of.startswith("chip_"):
            return self._on_chip(bench, work)
        return self._on_gpu(work)

    def _on_chip(self, bench: Workbench, work: LearningWork) -> float:
        assert self.chip is not None and self.method is not None
        step = bench.step(self.chip, self.model, self.method, work)
        forward = {record.name for record in work.layers}
        return _ON_CHIP[self.of.removeprefix("chip_")](step, forward)

    def _on_gpu(self, work: LearningWork) -> float:
        from archsim.gpu.load import load_gpu
        from archsim.gpu.training import training_step

        assert self.gpu is not None
        kernels = training_step(load_gpu(self.gpu), work, self.precision)
        if self.of == "gpu_seconds":
            return sum(kernel.seconds for kernel in kernels)
        return sum(kernel.joules for kernel in kernels)


def _dynamic(step: Step, forward: set[str], wanted: bool) -> float:
    """Joules of the mini-batch in layers of the forward pass, or in the others."""
    layers = step.passes.layers
    return step.batch * sum(each.energy_j for each in layers if (each.name in forward) is wanted)


def _forward_seconds(step: Step, forward: set[str]) -> float:
    return max(each.finish_s for each in step.passes.layers if each.name in forward)


def _steps_until_worn(step: Step, forward: set[str]) -> float:
    steps = step.update.switches_until_worn
    if steps == float("inf"):
        raise InputError("the update writes no cell that wears.", fix="Leave this figure out.")
    return steps


_ON_CHIP: dict[str, Callable[[Step, set[str]], float]] = {
    "seconds": lambda step, forward: step.seconds,
    "joules": lambda step, forward: step.joules,
    "forward_joules": lambda step, forward: _dynamic(step, forward, True),
    "backward_joules": lambda step, forward: _dynamic(step, forward, False),
    "static_joules": lambda step, forward: step.batch * step.passes.energy_static_j,
    "update_joules": lambda step, forward: step.update.joules,
    "update_dynamic": lambda step, forward: step.update.joules - step.update.static,
    "passes_seconds": lambda step, forward: step.passes.latency_s,
    "forward_seconds": _forward_seconds,
    "update_seconds": lambda step, forward: step.update.seconds,
    "update_cells": lambda step, forward: step.update.cells,
    "update_pulses": lambda step, forward: step.update.pulses,
    "update_rows": lambda step, forward: step.update.rows,
    "steps_until_worn": _steps_until_worn,
    "chips": lambda step, forward: step.passes.chips,
}
