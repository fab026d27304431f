"""One training step on a GPU."""

from __future__ import annotations

from archsim.gpu.model import GPU
from archsim.gpu.roofline import Kernel, Work, kernel
from archsim.learning.work import STATES, LayerLearning, LearningWork

UPDATE_OPS = {"sgd": 2, "momentum": 4, "adam": 12}
"""Operations per trained value, counted from the update rules (assumption)."""


def training_step(gpu: GPU, work: LearningWork, precision: str = "bf16") -> list[Kernel]:
    """Kernels of one step: forward, input gradients, weight gradients, update.

    Every layer is a kernel of its own in each pass, but for moves, which are left out: training
    keeps the tensors between layers, so that fusing saves little traffic. Mini-batch and shapes
    are those of `work`. Raises InputError for a precision that the GPU has not.
    """
    kernels = []
    for layer in work.layers:
        if layer.op == "move":
            continue
        kernels.append(_kernel(gpu, precision, layer, "forward", layer.forward_macs))
        if layer.needs_input_gradient:
            kernels.append(
                _kernel(gpu, precision, layer, "input gradient", layer.input_gradient_macs)
            )
        if layer.needs_weight_gradient:
            kernels.append(
                _kernel(gpu, precision, layer, "weight gradient", layer.weight_gradient_macs)
            )
    if work.trainable:
        states = STATES[work.optimizer]
        # reads gradient, value and states, writes value and states
        update = Work(
            0.0,
            float(work.trainable * UPDATE_OPS[work.optimizer]),
            float(work.trainable * (3 + 2 * states)),
        )
        kernels.append(kernel(gpu, precision, ("update",), update))
    return kernels


def _kernel(gpu: GPU, precision: str, layer: LayerLearning, part: str, macs: int) -> Kernel:
    """Each pass reads two of input, weights and output (or their gradients) and writes the third.

    A layer without weights has input and output alone.
    """
    weights = 0 if layer.op == "embedding" and part == "forward" else layer.weights
    elements = layer.input_elements + layer.output_elements + weights
    vector = 0 if macs or layer.op == "embedding" else layer.output_elements
    work = Work(2.0 * macs, float(vector), float(elements))
    return kernel(gpu, precision, (f"{layer.name}: {part}",), work)
