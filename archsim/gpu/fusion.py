"""Which layers of a trace one GPU kernel runs."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.trace.model import Trace
from archsim.trace.operators import Layer, Linear

NARROWEST = 64  # columns of the narrowest common tile: a LoRA adapter stays a kernel of its own
VIEWS = ("reshape", "slice")  # moves that only change strides


@dataclass(frozen=True)
class Group:
    """The layers of one kernel, and those of their outputs that it writes to memory."""

    layers: tuple[Layer, ...]
    writes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)


def group_layers(trace: Trace, fuse: bool) -> list[Group]:
    """Layers by kernel, in an order in which every kernel comes after those that it reads.

    With `fuse`, activations, elementwise functions, softmax, folded batch norms and moves join the
    kernel of the latest of their inputs, and the second product of an attention joins the kernel
    of its scores (FlashAttention, Dao et al., NeurIPS 2022); layer and RMS norms begin a kernel,
    because they need whole rows. Fully connected layers that read one tensor (query, key and
    value) are one product, as runtimes merge them, unless one is narrower than a tile. Without
    `fuse` every layer is a kernel, but for views. A kernel of views alone is left out. What a
    kernel writes is what another reads, and the model's outputs.
    """
    kernels: list[list[Layer]] = []
    of_tensor: dict[str, int] = {}
    siblings: dict[tuple[str, ...], int] = {}
    producers = {layer.name: layer for layer in trace.layers}
    for layer in trace.layers:
        before = [of_tensor[name] for name in layer.inputs if name in of_tensor]
        if before and (
            is_view(layer)
            or (fuse and _joins(layer))
            or (fuse and _ends_attention(layer, producers, kernels, of_tensor))
        ):
            index = max(before)
            kernels[index].append(layer)
        elif fuse and (layer.op, *layer.inputs) in siblings and _wide(layer):
            index = siblings[layer.op, *layer.inputs]
            kernels[index].append(layer)
        else:
            index = len(kernels)
            kernels.append([layer])
            if _wide(layer):
                siblings[layer.op, *layer.inputs] = index
        of_tensor[layer.name] = index
    readers: dict[str, set[int]] = {}
    for layer in trace.layers:
        for name in layer.inputs:
            readers.setdefault(name, set()).add(of_tensor[layer.name])
    return [
        Group(
            tuple(kernel),
            tuple(layer.name for layer in kernel if readers.get(layer.name) != {index}),
        )
        for index, kernel in enumerate(kernels)
        if not all(map(is_view, kernel))
    ]


def is_view(layer: Layer) -> bool:
    """Whether a layer moves no data."""
    return layer.op == "move" and layer.function in VIEWS


def _wide(layer: Layer) -> bool:
    return isinstance(layer, Linear) and layer.out_features >= NARROWEST


def _joins(layer: Layer) -> bool:
    if layer.op == "norm":
        return layer.function == "batch"
    return layer.op in ("activation", "elementwise", "softmax", "move")


def _ends_attention(
    layer: Layer,
    producers: dict[str, Layer],
    kernels: list[list[Layer]],
    of_tensor: dict[str, int],
) -> bool:
    """Whether a product's rows are a softmax in the kernel of another product, its latest input."""
    if layer.op != "matmul" or layer.inputs[0] not in producers:
        return False
    index = of_tensor[layer.inputs[0]]
    return (
        producers[layer.inputs[0]].op == "softmax"
        and kernels[index][0].op == "matmul"
        and index == max(of_tensor.get(name, -1) for name in layer.inputs)
    )
