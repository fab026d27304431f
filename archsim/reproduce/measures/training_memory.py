"""The memory of a training step as the public profilers of TinyTL and Rep-Net count it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from archsim.reproduce.measure import Workbench
from archsim.reproduce.measures.step import StepMeasure
from archsim.schema.ranges import BitWidth

if TYPE_CHECKING:
    from archsim.learning.work import LearningWork
    from archsim.trace.model import Trace


class TrainingMemory(StepMeasure):
    """Bytes of parameters and of activations in one training step.

    Parameters that train take `bits`, the others `frozen_bits`. Activations: the most that is there
    at once in the forward pass, which is what the layers before have kept for the backward pass,
    and what a layer reads and makes. Norms and activations work in place; a convolution of g groups
    needs a g-th of its output beside its input (mit-han-lab/tinyml and ASU-ESIC-FAN-Lab/RepNet,
    memory_cost_profiler.py). Two ways in which this differs from those: a tensor that two layers
    keep is counted once, and an input of a residual block is not held beside what is kept.
    """

    kind: Literal["training_memory"]
    frozen_bits: Annotated[BitWidth, Field(description="of a parameter that is not trained")] = 8

    def value(self, bench: Workbench) -> float:
        trace, work = self.trace_and_work(bench)
        frozen = trace.parameters(biases=True) - work.trainable
        held = work.trainable * self.bits + frozen * self.frozen_bits
        return (held + most_held(trace, work)) / 8


def most_held(trace: Trace, work: LearningWork) -> int:
    """Bits of activations of the mini-batch, at the layer of the forward pass with most of them."""
    most = kept = 0
    for layer, record in zip(trace.layers, work.layers, strict=True):
        made = record.output_elements
        if layer.op in ("norm", "activation"):
            made = 0
        elif layer.op == "conv2d":
            made //= layer.groups
        working = (record.input_elements + made) * work.activation_bits
        most = max(most, kept + working)
        kept += record.stored_bits
    return most
