"""What measures of a training step have in common: what trains, on which mini-batch, how wide."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from archsim.reproduce.measure import ChipName, Measure, MethodName, ModelName, Workbench
from archsim.schema.ranges import BitWidth, Size

if TYPE_CHECKING:
    from archsim.learning.work import LearningWork
    from archsim.trace.model import Trace


class StepMeasure(Measure):
    """Something of one training step on a mini-batch.

    What trains is what `method` says, or the layers whose whole names match the regular expressions
    `trains` and, of which biases alone are trained, `biases`. masks: the backward pass of every
    activation takes one bit per element (as MobileTL approximates hard-swish); relu_mask: as
    archsim.learning.
    """

    model: ModelName
    chip: ChipName | None = None
    method: MethodName | None = None
    trains: Annotated[str | None, Field(description="regular expression")] = None
    biases: Annotated[str | None, Field(description="regular expression")] = None
    optimizer: Literal["sgd", "momentum", "adam"] = "sgd"
    batch: Size = 1
    bits: Annotated[BitWidth, Field(description="of weights, activations, gradients")] = 32
    masks: bool = False
    relu_mask: bool = True

    @model_validator(mode="after")
    def _who_trains(self) -> Self:
        if (self.method is None) == (self.trains is None):
            raise ValueError("give either method or trains")
        if self.method is not None and self.chip is None:
            raise ValueError("a method needs a chip")
        return self

    def work(self, bench: Workbench) -> LearningWork:
        """What the step needs; InputError for a pattern that names a layer without weights."""
        return self.trace_and_work(bench)[1]

    def trace_and_work(self, bench: Workbench) -> tuple[Trace, LearningWork]:
        """The trace that the step is of, as the method has changed it, and what the step needs."""
        from archsim.learning import learning_work

        trains: Any
        if self.method is not None:
            assert self.chip is not None
            adapted = bench.adapted(self.chip, self.model, self.method)
            trace, trains, biases = adapted.trace, adapted.trainable, adapted.biases
        else:
            trace = bench.model(self.model)
            trains, biases = _matching(trace, self.trains), _matching(trace, self.biases)
        if self.masks:
            trace = _masked(trace)
        work = learning_work(
            trace,
            trains,
            biases=biases,
            optimizer=self.optimizer,
            batch=self.batch,
            weight_bits=self.bits,
            activation_bits=self.bits,
            gradient_bits=self.bits,
            relu_mask=self.relu_mask,
        )
        return trace, work


def _matching(trace: Trace, pattern: str | None) -> frozenset[str]:
    """Layers with weights whose whole name matches; norms have gains and shifts."""
    if pattern is None:
        return frozenset()
    return frozenset(
        layer.name
        for layer in trace.layers
        if (layer.stationary or layer.op == "norm") and re.fullmatch(pattern, layer.name)
    )


def _masked(trace: Trace) -> Trace:
    """The trace with activations whose derivative takes two values."""
    from archsim.adaptation.insertion import changed_trace
    from archsim.trace.operators import Activation

    layers = [
        layer.model_copy(update={"function": "relu"})
        if isinstance(layer, Activation) and layer.function in ("hardswish", "silu", "gelu")
        else layer
        for layer in trace.layers
    ]
    return changed_trace(trace, layers=layers)
