"""The ONNX node of every torch function that is one operator.

Each function here has the arguments of the torch function of its name behind the recorder and the
result. Names are those of the torch API without marks of its form (`add_`, `__add__`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from archsim.trace.pytorch.recorder import Recorder

FUNCTIONS: dict[str, Callable[..., None]] = {}
# Functions of one input without arguments that matter to a trace.
SIMPLE = {
    "relu": "Relu", "relu6": "Clip", "hardtanh": "Clip", "clamp": "Clip", "clip": "Clip",
    "clamp_min": "Clip", "clamp_max": "Clip", "sigmoid": "Sigmoid", "tanh": "Tanh",
    "gelu": "Gelu", "silu": "Swish", "hardswish": "HardSwish", "hardsigmoid": "HardSigmoid",
    "leaky_relu": "LeakyRelu", "rrelu": "LeakyRelu", "elu": "Elu", "selu": "Selu", "celu": "Celu",
    "mish": "Mish", "softplus": "Softplus", "softsign": "Softsign", "erf": "Erf", "exp": "Exp",
    "log": "Log", "sqrt": "Sqrt", "rsqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "abs": "Abs",
    "neg": "Neg", "negative": "Neg", "reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "sign": "Sign",
}  # fmt: skip
REDUCTIONS = {"mean": "ReduceMean", "sum": "ReduceSum", "amax": "ReduceMax", "amin": "ReduceMin"}
Pair = int | Sequence[int]
MASK = "Mask"  # a node of this package: scores, and which of them are seen
MASKED = -1e3  # what is added to hidden scores is below this


def function(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as what records the torch functions of these names."""

    def register(record: Callable[..., None]) -> Callable[..., None]:
        FUNCTIONS.update(dict.fromkeys(names, record))
        return record

    return register


def _simple(op: str) -> Callable[..., None]:
    def record(r: Recorder, out: Tensor, source: Tensor, *args: Any, **kwargs: Any) -> None:
        r.emit(op, [source], out)

    return record


FUNCTIONS.update({name: _simple(op) for name, op in SIMPLE.items()})


# Products


@function("linear")
def linear(
    r: Recorder, out: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None
) -> None:
    """x W' + b."""
    r.emit("MatMul", [input, r.turned(weight)], out)
    if bias is not None:
        r.emit("Add", [out, bias], out)


@function("matmul", "bmm", "mm", "mv")
def matmul(r: Recorder, out: Tensor, input: Tensor, other: Tensor) -> None:
    """A product of matrices."""
    r.emit("MatMul", [input, other], out)


@function("rmatmul")
def matmul_reversed(r: Recorder, out: Tensor, input: Tensor, other: Tensor) -> None:
    """other @ input."""
    r.emit("MatMul", [other, input], out)


@function("addmm", "baddbmm")
def add_product(r: Recorder, out: Tensor, input: Tensor, left: Tensor, right: Tensor) -> None:
    """input + left @ right."""
    r.emit("MatMul", [left, right], out)
    r.emit("Add", [out, input], out)


@function("conv1d", "conv2d")
def conv(
    r: Recorder, out: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1, groups: int = 1,
) -> None:  # fmt: skip
    """A convolution; padding in PyTorch is the same on both sides, but for 'same'."""
    rank = input.ndim - (2 if input.ndim == weight.ndim else 1)
    steps = _each(dilation, rank)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(steps, weight.shape[2:], strict=True)]
        pads = [n // 2 for n in total] + [n - n // 2 for n in total]
    else:
        pads = 2 * _each(0 if padding == "valid" else padding, rank)
    r.emit(
        "Conv", [input, weight, bias], out,
        group=groups, strides=_each(stride, rank), pads=pads, dilations=steps,
    )  # fmt: skip


@function("conv_transpose1d", "conv_transpose2d")
def conv_transpose(
    r: Recorder, out: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Pair = 1, padding: Pair = 0, output_padding: Pair = 0, groups: int = 1,
    dilation: Pair = 1,
) -> None:  # fmt: skip
    """A transposed convolution."""
    rank = weight.ndim - 2
    r.emit(
        "ConvTranspose", [input, weight, bias], out,
        group=groups, strides=_each(stride, rank), pads=2 * _each(padding, rank),
        dilations=_each(dilation, rank), output_padding=_each(output_padding, rank),
    )  # fmt: skip


@function("embedding")
def embedding(
    r: Recorder, out: Tensor, input: Tensor, weight: Tensor, *args: Any, **k: Any
) -> None:
    """Rows of a table."""
    r.emit("Gather", [weight, input], out, axis=0)


# Norms


@function("batch_norm")
def batch_norm(
    r: Recorder, out: Tensor, input: Tensor, running_mean: Tensor | None,
    running_var: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5, *rest: Any,
) -> None:  # fmt: skip
    """With running statistics, which can be folded; with the batch's own it is an instance norm."""
    size = input.shape[1]
    gain = torch.ones(size) if weight is None else weight
    shift = torch.zeros(size) if bias is None else bias
    if training or running_mean is None or running_var is None:
        r.emit("InstanceNormalization", [input, gain, shift], out, epsilon=eps)
    else:
        r.emit(
            "BatchNormalization", [input, gain, shift, running_mean, running_var], out, epsilon=eps
        )


@function("layer_norm")
def layer_norm(
    r: Recorder, out: Tensor, input: Tensor, normalized_shape: Sequence[int],
    weight: Tensor | None = None, bias: Tensor | None = None, *rest: Any, **kwargs: Any,
) -> None:  # fmt: skip
    """Over the last axes."""
    r.emit("LayerNormalization", [input, weight, bias], out, axis=-len(normalized_shape))


@function("rms_norm")
def rms_norm(
    r: Recorder, out: Tensor, input: Tensor, normalized_shape: Sequence[int],
    weight: Tensor | None = None, *rest: Any, **kwargs: Any,
) -> None:  # fmt: skip
    """Over the last axes."""
    r.emit("RMSNormalization", [input, weight], out, axis=-len(normalized_shape))


@function("group_norm")
def group_norm(
    r: Recorder, out: Tensor, input: Tensor, num_groups: int, weight: Tensor | None = None,
    bias: Tensor | None = None, *rest: Any, **kwargs: Any,
) -> None:  # fmt: skip
    """Over the positions and a group of channels."""
    r.emit("GroupNormalization", [input, weight, bias], out, num_groups=num_groups)


@function("instance_norm")
def instance_norm(
    r: Recorder, out: Tensor, input: Tensor, running_mean: Any = None, running_var: Any = None,
    weight: Tensor | None = None, bias: Tensor | None = None, *rest: Any, **kwargs: Any,
) -> None:  # fmt: skip
    """Over the positions, each channel alone."""
    r.emit("InstanceNormalization", [input, weight, bias], out)


@function("softmax")
def softmax(
    r: Recorder, out: Tensor, input: Tensor, dim: int | None = None, *rest: Any, **kwargs: Any
) -> None:
    """Over one axis."""
    r.emit("Softmax", [input], out, axis=-1 if dim is None else dim)


@function("prelu")
def prelu(r: Recorder, out: Tensor, input: Tensor, weight: Tensor) -> None:
    """A leaky ReLU whose slopes are learnt."""
    r.emit("PRelu", [input, weight], out)


# Arithmetic


def _binary(op: str, turned: bool = False) -> Callable[..., None]:
    def record(
        r: Recorder, out: Tensor, input: Any, other: Any, *, alpha: float = 1, **kwargs: Any
    ) -> None:
        if op == "Add" and isinstance(other, Tensor) and not r.is_recorded(other):
            seen = other >= 0
            if other.is_floating_point() and _is_mask(other, seen):
                _mask(r, out, input, seen)
                return
        if alpha != 1:
            scaled = other * alpha
            if r.is_recorded(other):
                r.emit("Mul", [other, alpha], scaled)
            other = scaled
        r.emit(op, [other, input] if turned else [input, other], out)

    return record


FUNCTIONS.update(
    {
        "add": _binary("Add"), "sub": _binary("Sub"), "subtract": _binary("Sub"),
        "rsub": _binary("Sub", True), "mul": _binary("Mul"), "multiply": _binary("Mul"),
        "div": _binary("Div"), "divide": _binary("Div"), "true_divide": _binary("Div"),
        "rdiv": _binary("Div", True), "pow": _binary("Pow"), "maximum": _binary("Max"),
        "minimum": _binary("Min"),
    }
)  # fmt: skip


# Pooling and reductions


@function("max_pool1d", "max_pool2d")
def max_pool(
    r: Recorder, out: Tensor, input: Tensor, kernel_size: Pair, stride: Pair | None = None,
    padding: Pair = 0, dilation: Pair = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> None:  # fmt: skip
    """The maximum in a window."""
    _pool(r, "MaxPool", out, input, kernel_size, stride, padding, dilations=dilation)


@function("avg_pool1d", "avg_pool2d")
def avg_pool(
    r: Recorder, out: Tensor, input: Tensor, kernel_size: Pair, stride: Pair | None = None,
    padding: Pair = 0, *rest: Any, **kwargs: Any,
) -> None:  # fmt: skip
    """The mean in a window."""
    _pool(r, "AveragePool", out, input, kernel_size, stride, padding)


@function("adaptive_avg_pool1d", "adaptive_avg_pool2d")
def adaptive_avg_pool(r: Recorder, out: Tensor, input: Tensor, output_size: Any) -> None:
    """A mean over the whole map or, where the sizes divide, over equal windows."""
    _adaptive(r, "AveragePool", out, input)


@function("adaptive_max_pool1d", "adaptive_max_pool2d")
def adaptive_max_pool(
    r: Recorder, out: Tensor, input: Tensor, output_size: Any, return_indices: bool = False
) -> None:
    """A maximum over the whole map or, where the sizes divide, over equal windows."""
    _adaptive(r, "MaxPool", out, input)


def _adaptive(r: Recorder, op: str, out: Tensor, source: Tensor) -> None:
    rank = source.ndim - 2
    sizes = list(zip(source.shape[2:], out.shape[2:], strict=True))
    if any(big % small for big, small in sizes):
        r.emit(f"Torch:adaptive {op} of {sizes}", [source], out)
        return
    kernel = [big // small for big, small in sizes]
    _pool(r, op, out, source, kernel, kernel, [0] * rank)


def _pool(
    r: Recorder, op: str, out: Tensor, source: Tensor, kernel: Pair, stride: Pair | None,
    padding: Pair, **spread: Pair,
) -> None:  # fmt: skip
    rank = source.ndim - 2
    r.emit(
        op, [source], out,
        kernel_shape=_each(kernel, rank), strides=_each(stride or kernel, rank),
        pads=2 * _each(padding, rank), **{name: _each(n, rank) for name, n in spread.items()},
    )  # fmt: skip


def _reduction(op: str) -> Callable[..., None]:
    def record(
        r: Recorder, out: Tensor, input: Tensor, dim: Any = None, keepdim: bool = False,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
        axes = [axis % input.ndim for axis in dims]
        r.emit(op, [input], out, axes=axes, keepdims=int(keepdim))

    return record


FUNCTIONS.update({name: _reduction(op) for name, op in REDUCTIONS.items()})


# Choices


@function("where")
def where(r: Recorder, out: Tensor, condition: Tensor, input: Any, other: Any) -> None:
    """A choice."""
    r.emit("Where", [condition, input, other], out)


@function("masked_fill")
def masked_fill(r: Recorder, out: Tensor, source: Tensor, mask: Tensor, value: Any) -> None:
    """A choice between the input and one value."""
    if not r.is_recorded(mask) and not isinstance(value, Tensor) and value < MASKED:
        _mask(r, out, source, mask.logical_not())
    else:
        r.emit("Where", [mask, value, source], out)


def _is_mask(values: Tensor, seen: Tensor) -> bool:
    """True for a term of the scores that is 0 where a position is seen and hides all others."""
    hides = not bool(seen.all()) and bool((values[~seen] < MASKED).all())
    return hides and bool((values[seen] == 0).all())


def _mask(r: Recorder, out: Tensor, source: Tensor, seen: Tensor) -> None:
    """Scores that a mask hides are -inf in the recorded values."""
    r.emit(MASK, [source, seen], out)
    r.values[r.name_of(out)] = out.masked_fill(seen.logical_not(), -math.inf)


def _each(value: Any, rank: int) -> list[int]:
    """One number per axis."""
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * rank if len(numbers) == 1 else numbers
