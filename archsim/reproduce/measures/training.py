"""What a training step needs: memory, work, and time on a GPU or on a chip."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from archsim.reproduce.bench import Bench
from archsim.reproduce.measure import ChipName, Measure, MethodName, ModelName

if TYPE_CHECKING:
    from archsim.learning.work import LearningWork
    from archsim.trace.model import Trace

WORK = ("stored_bits", "peak_bits", "forward_macs", "backward_macs", "trainable", "bits_written")


class Training(Measure):
    """One figure of one training step on a mini-batch.

    What trains is what `method` says, or the layers whose whole names match the regular expressions
    `trains` and, of which biases alone are trained, `biases`. Bits and MACs are those of the step;
    gpu_seconds, gpu_joules: on `gpu`, as its roofline has it; chip_seconds, chip_joules: simulated,
    update included. masks: the backward pass of every activation takes one bit per element (as
    MobileTL approximates hard-swish); relu_mask: as archsim.learning.
    """

    kind: Literal["training"]
    model: ModelName
    chip: ChipName | None = None
    method: MethodName | None = None
    trains: Annotated[str | None, Field(description="regular expression")] = None
    biases: Annotated[str | None, Field(description="regular expression")] = None
    of: Literal[
        "stored_bits", "peak_bits", "forward_macs", "backward_macs", "trainable", "bits_written",
        "step_macs", "gpu_seconds", "gpu_joules", "chip_seconds", "chip_joules",
    ] = "stored_bits"  # fmt: skip
    gpu: str | None = None
    precision: str = "fp32"
    optimizer: Literal["sgd", "momentum", "adam"] = "sgd"
    batch: PositiveInt = 1
    bits: Annotated[PositiveInt, Field(description="of weights, activations, gradients")] = 32
    masks: bool = False
    relu_mask: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.method is None) == (self.trains is None):
            raise ValueError("give either method or trains")
        if self.method is not None and self.chip is None:
            raise ValueError("a method needs a chip")
        if self.of.startswith("gpu_") and self.gpu is None:
            raise ValueError(f"{self.of} needs a gpu")
        if self.of.startswith("chip_") and self.method is None:
            raise ValueError(f"{self.of} needs a method")
        return self

    def value(self, bench: Bench) -> float:
        work = self._work(bench)
        if self.of in WORK:
            return float(getattr(work, self.of))
        if self.of == "step_macs":
            return float(work.forward_macs + work.backward_macs)
        if self.of.startswith("chip_"):
            assert self.chip is not None and self.method is not None
            step = bench.step(self.chip, self.model, self.method, work)
            return step.seconds if self.of == "chip_seconds" else step.joules
        return self._on_gpu(work)

    def _work(self, bench: Bench) -> LearningWork:
        from archsim.learning import learning_work

        trace: Trace
        trains: Any
        if self.method is not None:
            assert self.chip is not None
            adapted = bench.adapted(self.chip, self.model, self.method)
            trace, trains, biases = adapted.trace, adapted.trainable, adapted.biases
        else:
            trace = bench.model(self.model)
            trains, biases = _matching(trace, self.trains), _matching(trace, self.biases)
        return learning_work(
            _masked(trace) if self.masks else trace,
            trains,
            biases=biases,
            optimizer=self.optimizer,
            batch=self.batch,
            weight_bits=self.bits,
            activation_bits=self.bits,
            gradient_bits=self.bits,
            relu_mask=self.relu_mask,
        )

    def _on_gpu(self, work: LearningWork) -> float:
        from archsim.gpu.load import load_gpu
        from archsim.gpu.training import training_step

        assert self.gpu is not None
        kernels = training_step(load_gpu(self.gpu), work, self.precision)
        if self.of == "gpu_seconds":
            return sum(kernel.seconds for kernel in kernels)
        return sum(kernel.joules for kernel in kernels)


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
