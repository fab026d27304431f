"""A trace's operators in PyTorch, each as a call that can be repeated on prepared tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from archsim.gpu.cases import Case
from archsim.trace.operators import (
    Activation,
    Conv2d,
    Elementwise,
    Embedding,
    Linear,
    MatMul,
    Move,
    Norm,
    Pool,
    Reduce,
    Softmax,
)

Tensor = Any  # torch is not installed where nothing is measured


def operands(case: Case, torch: Any, device: str, dtype: Any, batch: int) -> list[Tensor]:
    """Random inputs (batch first; of a product, heads first) and weights of a kernel."""

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device, dtype=torch.float32).to(dtype)

    layer = case.layer
    if isinstance(layer, Embedding):
        rows = torch.randint(layer.rows, (batch, case.inputs[0][0]), device=device)
        return [rows, random(layer.rows, layer.features)]
    if isinstance(layer, MatMul):
        return [random(*shape) for shape in _heads_first(layer, case, batch)]
    found = [random(batch, *shape) for shape in case.inputs]
    if isinstance(layer, (Conv2d, Pool)):  # channels stay last in memory
        found = [tensor.movedim(-1, 1) for tensor in found]
    if isinstance(layer, Linear):
        found.append(random(layer.out_features, layer.in_features))
    if isinstance(layer, Conv2d):
        columns = layer.in_channels // layer.groups
        weights = random(layer.out_channels, columns, *layer.kernel)
        found.append(weights.contiguous(memory_format=torch.channels_last))
    if isinstance(layer, Norm):
        found.append(random(case.output[-1]))
        found.append(random(case.output[-1]))
    return found


def kernel_call(case: Case, torch: Any) -> Callable[..., Tensor]:
    """The operator as a function of what `operands` gives."""
    layer, functional = case.layer, torch.nn.functional
    if isinstance(layer, Linear):
        return lambda x, w: functional.linear(x, w)
    if isinstance(layer, Conv2d):
        return _convolution(layer, functional)
    if isinstance(layer, MatMul):
        if layer.transposed:
            return lambda rows, keys: torch.bmm(rows, keys.mT)
        return lambda rows, values: torch.bmm(rows, values)
    if isinstance(layer, Softmax):
        return lambda x: torch.softmax(x.unflatten(-1, (layer.groups, -1)), -1)
    if isinstance(layer, Norm):
        return _norm(layer, torch)
    if isinstance(layer, Activation):
        return _activation(layer, torch)
    if isinstance(layer, Elementwise):
        apply = getattr(torch, layer.function)
        return lambda a, b: apply(*_aligned(a, b))
    if isinstance(layer, Pool):
        return _pool(layer, functional)
    if isinstance(layer, Reduce):
        reduce = {"mean": torch.mean, "sum": torch.sum, "max": torch.amax}[layer.function]
        return lambda x: reduce(x.flatten(1, -2), 1)
    if isinstance(layer, Embedding):
        return lambda rows, table: functional.embedding(rows, table)
    if isinstance(layer, Move):
        return _move(layer, case, torch)
    raise NotImplementedError(f"no kernel of {layer.op}")


def _heads_first(layer: MatMul, case: Case, batch: int) -> list[tuple[int, int, int]]:
    """Shapes of one product for each head, as attention kernels see them.

    Heads that share keys and values become rows of one product; masks take no part.
    """
    shared = layer.kv_heads or layer.heads
    (rows, width), (keys, other) = ((math.prod(x[:-1]), x[-1]) for x in case.inputs)
    products = batch * layer.sequences * shared
    return [
        (products, rows // layer.sequences * (layer.heads // shared), width // layer.heads),
        (products, keys // layer.sequences, other // shared),
    ]


def _aligned(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with positions in one axis, so that one position or one channel is broadcast."""
    if a.shape == b.shape:
        return a, b
    first, second = (x.reshape(x.shape[0], -1, x.shape[-1]) for x in (a, b))
    return first, second


def _padding(layer: Conv2d | Pool) -> tuple[list[int], tuple[int, int]]:
    """Padding to add beforehand (left, right, top, bottom), or what the operator itself takes."""
    top, left, bottom, right = layer.padding
    half = layer.kernel[0] // 2 >= top and layer.kernel[1] // 2 >= left
    if (top, left) == (bottom, right) and (half or isinstance(layer, Conv2d)):
        return [], (top, left)
    return [left, right, top, bottom], (0, 0)


def _convolution(layer: Conv2d, functional: Any) -> Callable[..., Tensor]:
    before, padding = _padding(layer)

    def call(x: Tensor, w: Tensor) -> Tensor:
        x = functional.pad(x, before) if before else x
        return functional.conv2d(
            x, w, None, layer.stride, padding, layer.dilation, layer.groups
        ).movedim(1, -1)

    return call


def _pool(layer: Pool, functional: Any) -> Callable[..., Tensor]:
    before, padding = _padding(layer)
    apply = functional.max_pool2d if layer.function == "max" else functional.avg_pool2d

    def call(x: Tensor) -> Tensor:
        x = functional.pad(x, before) if before else x
        return apply(x, layer.kernel, layer.stride, padding, ceil_mode=layer.ceil_mode).movedim(
            1, -1
        )

    return call


def _norm(layer: Norm, torch: Any) -> Callable[..., Tensor]:
    if layer.function == "batch":
        return lambda x, gain, shift: torch.addcmul(shift, x, gain)
    functional = torch.nn.functional
    if layer.function == "rms" and hasattr(functional, "rms_norm"):
        return lambda x, gain, shift: functional.rms_norm(x, gain.shape, gain)
    return lambda x, gain, shift: functional.layer_norm(x, gain.shape, gain, shift)


def _activation(layer: Activation, torch: Any) -> Callable[..., Tensor]:
    functional = torch.nn.functional
    table: dict[str, Callable[..., Tensor]] = {
        "clip": functional.relu6,
        "gelu": functional.gelu,
        "silu": functional.silu,
        "hardswish": functional.hardswish,
        "hardsigmoid": functional.hardsigmoid,
        "leaky_relu": functional.leaky_relu,
        "scale": lambda x: x * 0.5,
        "rotary": lambda x: torch.cat((-x[..., 1::2], x[..., ::2]), -1) * 0.6 + x * 0.8,
    }
    known: Callable[..., Tensor] = table.get(layer.function) or getattr(torch, layer.function)
    return known


def _move(layer: Move, case: Case, torch: Any) -> Callable[..., Tensor]:
    """Copies of as many elements as the move makes: its time is that of memory traffic."""
    made = math.prod(case.output)
    if layer.function == "concat":
        return lambda *xs: torch.cat([x.flatten(1) for x in xs], 1)

    def call(x: Tensor) -> Tensor:
        flat = x.flatten(1)
        if flat.shape[1] < made:
            flat = flat.repeat(1, math.ceil(made / flat.shape[1]))
        return flat[:, :made].clone()

    return call
