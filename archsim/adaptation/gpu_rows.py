"""The rows of a GPU: the model as it is, with all weights exchanged, and with LoRA adapters."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from archsim.adaptation.comparison_file import GpuChoice, Learn
from archsim.adaptation.comparison_result import MethodFigures
from archsim.adaptation.low_rank import own_adapters
from archsim.adaptation.method import adapts, targets, weight_layers
from archsim.errors import InputError
from archsim.gpu.adapters import adapter_load, adapter_merge
from archsim.gpu.inference import GPUResult, inference
from archsim.gpu.model import BYTES, GPU
from archsim.gpu.roofline import Kernel
from archsim.gpu.training import training_step
from archsim.learning import learning_work, lora_name, lora_parameters, lora_shapes, with_lora
from archsim.schema.units import format_quantity
from archsim.trace.model import Trace
from archsim.trace.operators import Linear

STATE_BITS = 32  # optimiser states stay in fp32 (mixed precision; Micikevicius et al., ICLR 2018)


@dataclass(frozen=True)
class _Case:
    """One way to serve tasks.

    trace: what is trained; run, result: what runs at inference; values: copied by a switch;
    merge: kernels that follow the copy.
    """

    method: str
    trace: Trace
    run: Trace
    result: GPUResult
    values: int = 0
    trained: frozenset[str] = frozenset()
    merge: tuple[Kernel, ...] = ()
    adapts: str = ""


def gpu_rows(
    gpu: GPU, name: str, choice: GpuChoice, trace: Trace, learn: Learn | None = None
) -> list[MethodFigures]:
    """Figures of a GPU: `base`, `full`, `lora` and `lora, merged` (the last two where the trace has
    linear layers).

    A switch copies the task's values over the host link; merged adapters are then added to a copy
    of the frozen weights, so that the next task finds these unchanged. A task whose values are in
    the GPU's memory still is switched to at no cost, but for the merge. Raises InputError if the
    model does not fit the memory.
    """
    precision = choice.precision or "fp32"
    base = inference(gpu, trace, choice.batch or 1, precision, launch=choice.launch)
    weights = weight_layers(trace)
    cases = [
        _Case("base", trace, trace, base),
        _Case(
            "full",
            trace,
            trace,
            base,
            sum(layer.parameters() for layer in weights),
            frozenset(layer.name for layer in weights),
        ),
    ]
    if any(isinstance(layer, Linear) for layer in weights):
        cases += _lora(gpu, choice, trace, base, precision)
    return [_figures(gpu, name, choice, case, base, learn) for case in cases]


def _lora(
    gpu: GPU, choice: GpuChoice, trace: Trace, base: GPUResult, precision: str
) -> list[_Case]:
    own = own_adapters(trace) if choice.modules is None else {}
    if own:  # the trace came with adapters, and they run beside its layers
        values = sum(x.parameters() for x in trace.layers if x.name in own)
        said = adapts(trace, dict.fromkeys(own.values()), own=True)
        return [_Case("lora", trace, trace, base, values, frozenset(own), adapts=said)]
    names = [layer.name for layer in targets(trace, choice.modules, linear=True)]
    shapes = lora_shapes(trace, names)
    smallest = min(map(min, shapes))
    if choice.rank > smallest:
        raise InputError(
            f"an adapter of rank {choice.rank} does not fit a matrix with a side of {smallest}.",
            fix=f"Give the GPU a rank of at most {smallest}, or other modules.",
        )
    adapted, said = with_lora(trace, names, choice.rank), adapts(trace, names)
    values = lora_parameters(shapes, choice.rank)
    trained = frozenset(lora_name(layer, part) for layer in names for part in ("lora_a", "lora_b"))
    beside = inference(gpu, adapted, base.batch, precision, launch=choice.launch)
    merge = tuple(adapter_merge(gpu, shapes, choice.rank, precision, choice.launch))
    copies = sum(rows * columns for rows, columns in shapes) * BYTES[precision]
    need = replace(base.memory, weights=base.memory.weights + copies)
    merged = replace(base, memory=need)
    return [
        _Case("lora", adapted, adapted, beside, values, trained, adapts=said),
        _Case("lora, merged", adapted, trace, merged, values, trained, merge, said),
    ]


def _figures(
    gpu: GPU, name: str, choice: GpuChoice, case: _Case, base: GPUResult, learn: Learn | None
) -> MethodFigures:
    result, batch = case.result, base.batch
    need, size = result.memory, case.values * BYTES[result.precision]
    if not need.fits:
        raise InputError(
            f"'{case.method}' needs {format_quantity(need.total, 'B')} of memory, {gpu.name} has "
            f"{format_quantity(need.capacity, 'B')}.",
            fix="Use a smaller batch, a narrower precision or another GPU.",
        )
    load = adapter_load(gpu, size) if size else None
    switch_s = (load.seconds if load else 0.0) + math.fsum(k.seconds for k in case.merge)
    switch_j = (load.joules if load else 0.0) + math.fsum(k.joules for k in case.merge)
    energy, seconds = result.joules / batch, result.seconds / batch
    made = case.run.generation
    learning = _learning(gpu, case, choice, learn)
    return MethodFigures(
        method=case.method,
        platform=name,
        device="gpu",
        precision=result.precision,
        batch=batch,
        trained=case.values,
        adapted_layers=case.adapts,
        stored_bits=8 * size,
        bits_written=8 * size,
        inference_energy_j=energy,
        inference_static_j=gpu.power.idle * seconds,
        inference_latency_s=seconds,
        extra_energy_j=energy - base.joules / batch,
        extra_latency_s=seconds - base.seconds / batch,
        tops_per_w=2e-12 * case.run.macs() / energy,
        first_token_s=result.prefill_seconds if made else None,
        token_s=result.decode_seconds / made.decode if made and made.decode else None,
        switch_energy_j=switch_j,
        switch_latency_s=switch_s,
        residents=_residents(case, size),
        **learning,
    )


def _residents(case: _Case, size: int) -> int | None:
    """Tasks whose values are in the GPU's memory at once; a merge is needed for every switch."""
    if not size:
        return None
    if case.merge:
        return 1
    room = case.result.memory.capacity - case.result.memory.total
    return 1 + room // size if case.method == "full" else max(room // size, 1)


def _learning(
    gpu: GPU, case: _Case, choice: GpuChoice, learn: Learn | None
) -> dict[str, float | int]:
    """Energy, time and peak memory of learning one task."""
    if learn is None or not case.trained:
        return {}
    precision = case.result.precision
    if BYTES[precision] == 1:  # gradients need more than 8 bits
        precision = next((p for p in ("bf16", "fp16") if p in gpu.compute), "fp32")
    width = 8 * BYTES[precision]
    work = learning_work(
        case.trace,
        case.trained,
        optimizer=learn.optimizer,
        batch=learn.batch,
        weight_bits=width,
        activation_bits=width,
        gradient_bits=width,
        state_bits=STATE_BITS,
    )
    kernels = training_step(gpu, work, precision, choice.launch)
    return {
        "learning_energy_j": learn.steps * math.fsum(k.joules for k in kernels),
        "learning_latency_s": learn.steps * math.fsum(k.seconds for k in kernels),
        "peak_memory_bits": work.peak_bits,
    }
