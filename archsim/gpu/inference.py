"""A trace on a GPU: its kernels, their sums, and whether the model fits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from archsim.errors import InputError
from archsim.gpu.fusion import Group, group_layers
from archsim.gpu.model import BYTES, GPU, LaunchMode
from archsim.gpu.parts import parts_of, softmax_ops
from archsim.gpu.phase import Number, Phase
from archsim.gpu.roofline import Kernel, Work, kernel
from archsim.trace.layer import positions
from archsim.trace.model import Trace
from archsim.trace.operators import Conv2d, Layer, Linear, MatMul, Pool, Recurrent

VECTOR_OPS: Final = {"norm": 5}
"""Operations per element beside 1 for other functions, softmax aside (norm: an assumption, counted
from its definition: mean, difference, square, sum, product)."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that must be in the GPU's memory at once, and how many it has.

    activations: what the kernel with most of them reads and writes, weights and caches aside.
    """

    weights: int
    kv_cache: int
    activations: int
    capacity: int

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.activations

    @property
    def fits(self) -> bool:
        """False: the model is larger than the GPU's memory, and the times are those of one that
        had room."""
        return self.total <= self.capacity


@dataclass(frozen=True)
class GPUResult:
    """A batch of inferences on a GPU; seconds and joules are those of the whole batch.

    band: relative error that the GPU's times have been found to have.
    """

    gpu: str
    trace: str
    batch: int
    precision: str
    fused: bool
    launch: LaunchMode
    kernels: tuple[Kernel, ...]
    memory: MemoryNeed
    band: float

    @property
    def seconds(self) -> float:
        return math.fsum(k.seconds for k in self.kernels)

    @property
    def joules(self) -> float:
        return math.fsum(k.joules for k in self.kernels)

    @property
    def decode_seconds(self) -> float:
        """Seconds of all decode steps; 0 for a trace that generates nothing."""
        return math.fsum(k.seconds for k in self.kernels if k.phase == "decode")

    @property
    def decode_joules(self) -> float:
        return math.fsum(k.joules for k in self.kernels if k.phase == "decode")

    @property
    def prefill_seconds(self) -> float:
        """Seconds of all that comes before the first decode step."""
        return math.fsum(k.seconds for k in self.kernels if k.phase != "decode")

    @property
    def prefill_joules(self) -> float:
        return math.fsum(k.joules for k in self.kernels if k.phase != "decode")


def inference(
    gpu: GPU,
    trace: Trace,
    batch: int = 1,
    precision: str = "bf16",
    *,
    fuse: bool = True,
    launch: LaunchMode = "graph",
) -> GPUResult:
    """Time and energy of a batch of inferences that run together.

    Weights are read once per kernel and batch, activations and KV caches per inference. A trace
    with `generation` runs its prompt at once and then one position of each sequence per step, in
    which every weight and the keys and values so far are read again. fuse: as `group_layers` says;
    launch: kernels in one graph, or one by one by the host.
    Raises InputError for a batch below 1 and a precision that the GPU has not.
    """
    if batch < 1:
        raise InputError(f"a batch of {batch} inferences is not possible.", None, "Give 1 or more.")
    groups = group_layers(trace, fuse)
    kernels: list[Kernel] = []
    for phase in phases(trace, skip_masked=fuse):
        launches = int(np.size(phase.keys)) if phase.name == "decode" else 1
        for group in groups:
            if not any(phase.runs(layer) for layer in group.layers):
                continue
            work, steps = work_of(phase, group, batch), _steps(phase, group.layers[0])
            if steps > 1:  # a recurrent layer is launched anew at every position
                work = _step_of(work, steps)
            kernels.append(
                kernel(
                    gpu,
                    precision,
                    group.names,
                    work,
                    phase=phase.name,
                    launches=launches * steps,
                    launch=launch,
                )
            )
    need = _memory_need(gpu, trace, batch, precision, groups)
    return GPUResult(
        gpu.name, trace.name, batch, precision, fuse, launch, tuple(kernels), need, gpu.band.time
    )


def phases(trace: Trace, *, skip_masked: bool = True) -> list[Phase]:
    """The phases of a trace: one, or the prompt and all decode steps."""
    made = trace.generation
    if made is None:
        return [Phase(trace, "whole", 0, 0.0, skip_masked)]
    found = [Phase(trace, "prefill", made.prompt, float(made.prompt), skip_masked)]
    if made.decode:
        keys = np.arange(made.prompt + 1, made.prompt + made.decode + 1, dtype=np.float64)
        found.append(Phase(trace, "decode", 1, keys, skip_masked))
    return found


def work_of(phase: Phase, group: Group, batch: int) -> Work:
    """Operations and elements of one pass over a kernel's layers.

    A tensor that stays inside the kernel is neither read nor written; one that several of its
    layers read is read once.
    """
    matrix: Number = 0.0
    vector: Number = 0.0
    weights = 0.0
    reads: dict[str, Number] = {}
    for layer in group.layers:
        if not phase.runs(layer):
            continue
        if isinstance(layer, (Linear, Conv2d, Recurrent, MatMul)):
            matrix += 2 * phase.macs(layer)
        else:
            softmax = layer.op == "softmax"
            vector += softmax_ops(phase, group, layer) if softmax else _vector_ops(phase, layer)
        weights += _weights_read(phase, layer)
        for which, name in enumerate(layer.inputs):
            reads[name] = np.maximum(reads.get(name, 0.0), phase.read(layer, which))
    moved: Number = sum((n for name, n in reads.items() if name not in group.names), 0.0)
    moved += sum((phase.produced(name) for name in group.writes), 0.0)
    # An embedding reads as many elements of its table as it writes.
    moved += sum((phase.produced(x.name) for x in group.layers if x.op == "embedding"), 0.0)
    # Between decode steps nothing but weights and caches is large, and neither stays in the cache.
    kept = 0.0 if phase.name == "decode" else moved * batch
    return Work(
        matrix * batch,
        vector * batch,
        weights + moved * batch,
        kept,
        parts_of(phase, group, batch),
    )


def _step_of(work: Work, steps: int) -> Work:
    return replace(
        work,
        matrix=work.matrix / steps,
        vector=work.vector / steps,
        elements=work.elements / steps,
        activations=work.activations / steps,
    )


def _weights_read(phase: Phase, layer: Layer) -> float:
    if layer.op == "embedding":
        return 0.0
    return float(layer.parameters() * _steps(phase, layer))


def _vector_ops(phase: Phase, layer: Layer) -> Number:
    made = phase.produced(layer.name)
    if isinstance(layer, Pool):
        return made * math.prod(layer.kernel)
    if layer.op == "reduce":
        return phase.read(layer, 0)
    if layer.op == "fold":
        return made * layer.overlap
    if layer.op in ("embedding", "move"):
        return 0.0
    return made * VECTOR_OPS.get(layer.op, 1)


def _steps(phase: Phase, layer: Layer) -> int:
    """Times that one pass reads a layer's weights: once for each position if it is recurrent."""
    if not isinstance(layer, Recurrent):
        return 1
    count = positions(phase.trace.shapes[layer.name])
    return max(1, round(count * float(np.max(phase.share(layer.name)))))


def _memory_need(
    gpu: GPU, trace: Trace, batch: int, precision: str, groups: list[Group]
) -> MemoryNeed:
    width = BYTES[precision]
    cached = {
        layer.inputs[1]
        for layer in trace.layers
        if isinstance(layer, MatMul)
        and trace.generation
        and layer.hides_future(positions(trace.shapes[layer.name]))
    }
    first = phases(trace)[0]
    largest = 0.0
    for group in groups:
        weights = sum(_weights_read(first, layer) for layer in group.layers)
        largest = max(largest, float(np.max(work_of(first, group, batch).elements)) - weights)
    return MemoryNeed(
        trace.parameters(biases=True) * width,
        sum(math.prod(trace.shapes[name]) for name in cached) * batch * width,
        math.ceil(largest) * width,
        int(gpu.memory.capacity) // 8,
    )
