"""One training step on a GPU."""

from __future__ import annotations

from archsim.gpu.model import GPU, LaunchMode
from archsim.gpu.roofline import Kernel, Work, kernel
from archsim.learning.work import STATES, LayerLearning, LearningWork

UPDATE_OPS = {"sgd": 2, "momentum": 4, "adam": 12}
"""Operations per trained value, counted from the update rules (assumption)."""


def training_step(
    gpu: GPU, work: LearningWork, precision: str = "bf16", launch: LaunchMode = "graph"
) -> list[Kernel]:
    """Kernels of one step: forward, input gradients, weight gradients, update.

    Every layer is a kernel of its own in each pass, but for moves, which are left out: training
    keeps the tensors between layers, so that fusing saves little traffic. Mini-batch and shapes
    are those of `work`. Raises InputError for a precision that the GPU has not.
    """
    kernels = []
    for layer in work.layers:
        if layer.op == "move":
            continue
        passes = [("forward", layer.forward_macs)]
        if layer.needs_input_gradient:
            passes.append(("input gradient", layer.input_gradient_macs))
        if layer.needs_weight_gradient:
            passes.append(("weight gradient", layer.weight_gradient_macs))
        for part, macs in passes:
            done = _work(layer, part, macs)
            kernels.append(kernel(gpu, precision, (f"{layer.name}: {part}",), done, launch=launch))
    if work.trainable:
        states = STATES[work.optimizer]
        # reads gradient, value and states, writes value and states
        update = Work(
            0.0,
            float(work.trainable * UPDATE_OPS[work.optimizer]),
            float(work.trainable * (3 + 2 * states)),
        )
        kernels.append(kernel(gpu, precision, ("update",), update, launch=launch))
    return kernels


def _work(layer: LayerLearning, part: str, macs: int) -> Work:
    """Each pass reads two of input, weights and output (or their gradients) and writes the third.

    A layer without weights has input and output alone.
    """
    weights = 0 if layer.op == "embedding" and part == "forward" else layer.weights
    elements = layer.input_elements + layer.output_elements + weights
    vector = 0 if macs or layer.op == "embedding" else layer.output_elements
    return Work(2.0 * macs, float(vector), float(elements))
