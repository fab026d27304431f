"""ATen operators that keep the shape, pool, or reduce."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import fx

from archsim.trace.onnx.graph import Array
from archsim.trace.pytorch.emitter import Emitter
from archsim.trace.pytorch.registry import RULES, rule
from archsim.trace.pytorch.run import array

SIMPLE = {
    "relu": "Relu", "relu6": "Clip", "sigmoid": "Sigmoid", "tanh": "Tanh", "gelu": "Gelu",
    "silu": "Swish", "hardswish": "HardSwish", "hardsigmoid": "HardSigmoid",
    "log_sigmoid": "Softplus",
    "leaky_relu": "LeakyRelu", "rrelu": "LeakyRelu", "elu": "Elu", "selu": "Selu", "celu": "Celu",
    "mish": "Mish", "softplus": "Softplus", "softsign": "Softsign", "erf": "Erf", "exp": "Exp",
    "expm1": "Exp", "exp2": "Exp", "log": "Log", "log1p": "Log", "log2": "Log", "log10": "Log",
    "sqrt": "Sqrt", "rsqrt": "Rsqrt", "sin": "Sin", "cos": "Cos", "abs": "Abs", "neg": "Neg",
    "reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil", "round": "Round",
    "trunc": "Floor", "sign": "Sign", "logical_not": "Not", "bitwise_not": "Not", "isnan": "IsNaN",
    "isinf": "IsInf", "hardtanh": "Clip", "softshrink": "Clip", "hardshrink": "Clip",
    "threshold": "ThresholdedRelu", "logsigmoid": "Softplus", "sinh": "Exp", "cosh": "Exp",
    "atan": "Tanh", "erfc": "Erf", "nan_to_num": "Clip",
}  # fmt: skip
BINARY = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "maximum": "Max",
    "minimum": "Min", "remainder": "Mod", "fmod": "Mod", "eq": "Equal", "ne": "Equal",
    "gt": "Greater", "lt": "Less", "ge": "GreaterOrEqual", "le": "LessOrEqual",
    "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "bitwise_and": "And",
    "bitwise_or": "Or", "bitwise_xor": "Xor", "floor_divide": "Div", "true_divide": "Div",
}  # fmt: skip
REDUCTIONS = {
    "mean": "ReduceMean", "sum": "ReduceSum", "amax": "ReduceMax", "amin": "ReduceMin",
    "any": "ReduceMax", "all": "ReduceMin", "argmax": "ReduceMax", "argmin": "ReduceMin",
    "logsumexp": "ReduceSum", "prod": "ReduceSum",
}  # fmt: skip
MASK = "Mask"  # a node of this package: scores, and which of them are seen
MASKED = -1e3  # what is added to hidden scores is below this
Ints = Sequence[int]


def _simple(op: str) -> Any:
    def convert(e: Emitter, node: fx.Node, **given: Any) -> None:
        source = next(iter(given.values()))
        e.emit(op, node, [source])

    return convert


RULES.update({name: _simple(op) for name, op in SIMPLE.items()})


@rule("clamp", "clamp_min", "clamp_max", "hardtanh", "clip")
def clamp(
    e: Emitter, node: fx.Node, source: Any, min: Any = None, max: Any = None,
    min_val: Any = None, max_val: Any = None,
) -> None:  # fmt: skip
    """Values between bounds; the two operators of hardtanh have other names for them."""
    low = min if min_val is None else min_val
    high = max if max_val is None else max_val
    for bound, op in ((low, "Max"), (high, "Min")):
        if e.live(bound):
            e.emit(op, node, [source, bound])
            return
    bounds: dict[str, Any] = {
        name: float(bound)
        for name, bound in (("min", low), ("max", high))
        if isinstance(bound, int | float)
    }
    e.emit("Clip", node, [source], **bounds)


@rule("prelu", "_prelu_kernel")
def prelu(e: Emitter, node: fx.Node, source: Any, weight: Any) -> None:
    """A leaky ReLU whose slopes are learnt."""
    e.emit("PRelu", node, [source, weight])


# Arithmetic


def _binary(op: str) -> Any:
    def convert(e: Emitter, node: fx.Node, alpha: float = 1, **given: Any) -> None:
        left, right = list(given.values())[:2]
        if op == "Add" and alpha == 1:
            for scores, term in ((left, right), (right, left)):
                if isinstance(term, fx.Node) and not e.live(term) and _masks(e, node, scores, term):
                    return
        if alpha != 1:
            right = _scaled(e, node, right, alpha)
        e.emit(op, node, [left, right])

    return convert


RULES.update({name: _binary(op) for name, op in BINARY.items()})


def _scaled(e: Emitter, node: fx.Node, value: Any, alpha: float) -> Any:
    """The second operand times alpha."""
    if not isinstance(value, fx.Node):
        return value * alpha
    shape = e.graph.shapes[e.name(value)]
    if e.live(value):
        return e.emit("Mul", node, [value, alpha], "scaled", shape)
    return e.joined(node, e.array(value) * alpha, [value], "scaled")


@rule("rsub")
def reversed_difference(
    e: Emitter, node: fx.Node, source: Any, other: Any, alpha: float = 1
) -> None:
    """other - alpha * source."""
    if alpha != 1:
        source = _scaled(e, node, source, alpha)
    e.emit("Sub", node, [other, source])


@rule("addcmul", "addcdiv")
def fused_sum(
    e: Emitter, node: fx.Node, source: Any, tensor1: Any, tensor2: Any, value: float = 1
) -> None:
    """source + value * tensor1 (times or by) tensor2."""
    op = "Mul" if "mul" in str(node.target) else "Div"
    product = e.emit(op, node, [tensor1, tensor2], "product")
    if value != 1:
        product = e.emit("Mul", node, [product, value], "scaled")
    e.emit("Add", node, [source, product])


@rule("lerp")
def between(e: Emitter, node: fx.Node, source: Any, end: Any, weight: Any) -> None:
    """source + weight * (end - source)."""
    way = e.emit("Sub", node, [end, source], "way")
    part = e.emit("Mul", node, [way, weight], "part")
    e.emit("Add", node, [source, part])


# Choices and masks


@rule("where")
def where(e: Emitter, node: fx.Node, condition: Any, source: Any = None, other: Any = None) -> None:
    """A choice; one that hides scores is a mask."""
    if not e.live(condition):
        choice = np.asarray(e.value(condition))
        if e.live(source) and not e.live(other) and _hides(e, other):
            mask(e, node, source, choice)
            return
        if e.live(other) and not e.live(source) and _hides(e, source):
            mask(e, node, other, np.logical_not(choice))
            return
        if choice.all() and e.live(source) and e.shape(source) == e.shape(node):
            e.same(node, source)
            return
        if not choice.any() and e.live(other) and e.shape(other) == e.shape(node):
            e.same(node, other)
            return
    e.emit("Where", node, [condition, source, other])


@rule("masked_fill")
def masked_fill(e: Emitter, node: fx.Node, source: Any, mask: Any, value: Any) -> None:
    """A choice between the input and one value."""
    where(e, node, mask, value, source)


@rule("tril", "triu")
def triangle(e: Emitter, node: fx.Node, source: Any, diagonal: int = 0) -> None:
    """Zeros above or below a diagonal."""
    make = np.tril if "tril" in str(node.target) else np.triu
    rows, columns = e.shape(node)[-2:]
    kept = make(np.ones((rows, columns), bool), diagonal)
    e.emit("Where", node, [e.constant(kept, f"{node.name}:kept"), source, 0.0])


def _hides(e: Emitter, value: Any) -> bool:
    """True for a known value so low that a softmax gives nothing to it."""
    found = e.value(value)
    if found is None:
        return False
    return bool((torch.as_tensor(found) < MASKED).all())


def _masks(e: Emitter, node: fx.Node, scores: Any, term: fx.Node) -> bool:
    """A term of the scores that hides positions: a mask, and what it adds to those that are seen.

    False for a term that hides nothing.
    """
    values = e.value(term)
    if not e.live(scores) or not isinstance(values, torch.Tensor) or values.ndim < 2:
        return False
    if not values.is_floating_point() or e.shape(scores) != e.shape(node):
        return False
    unseen = values < MASKED
    if not bool(unseen.any()):
        if bool(values.any()) or e.flow.stored[term.name]:
            return False
        e.same(node, scores)
        return True
    rest = values.masked_fill(unseen, 0.0)
    source: Any = scores
    if bool(rest.any()) or e.flow.stored[term.name]:
        added = e.joined(node, array(rest), [term], "added")
        source = e.emit("Add", node, [scores, added], "biased")
    mask(e, node, source, array(unseen.logical_not()))
    return True


def mask(e: Emitter, node: fx.Node, source: Any, seen: Array) -> None:
    """Scores of which some are hidden: they count as -inf in the recorded values."""
    if seen.all():
        e.same(node, source)
        return
    name = e.constant(np.asarray(seen, bool), f"{node.name}:seen")
    output = e.emit(MASK, node, [source, name])
    e.hidden[output] = np.logical_not(seen)


# Pooling and reductions


@rule("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices")
def max_pool(
    e: Emitter, node: fx.Node, source: Any, kernel_size: Ints, stride: Ints = (),
    padding: Ints = (0,), dilation: Ints = (1,), **rest: Any,
) -> None:  # fmt: skip
    """The maximum in a window."""
    _pool(e, "MaxPool", node, source, kernel_size, stride, padding, dilation)


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    e: Emitter, node: fx.Node, source: Any, kernel_size: Ints, stride: Ints = (),
    padding: Ints = (0,), **rest: Any,
) -> None:  # fmt: skip
    """The mean in a window."""
    _pool(e, "AveragePool", node, source, kernel_size, stride, padding)


@rule("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d",
      "_adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
      "adaptive_max_pool3d")  # fmt: skip
def adaptive_pool(e: Emitter, node: fx.Node, source: Any, output_size: Any) -> None:
    """A window for each output; where the sizes do not divide, as large as the largest of them."""
    op = "MaxPool" if "max" in str(node.target) else "AveragePool"
    before = e.graph.shapes[e.name(source)]
    sizes = list(zip(before[2:], e.shape(node)[2:], strict=True))
    if len(before) == 3 and len(e.shape(node)) == 3 and "1d" not in str(node.target):
        e.refused(node, f"adaptive pool of a map without a batch {list(before)}")
        return
    # Window i runs from floor(i n / m) to ceil((i + 1) n / m), for n inputs and m outputs.
    stride = [big // small for big, small in sizes]
    kernel = [big - (small - 1) * step for (big, small), step in zip(sizes, stride, strict=True)]
    _pool(e, op, node, source, kernel, stride, [0])


def _pool(
    e: Emitter, op: str, node: fx.Node, source: Any, kernel: Ints, stride: Ints, padding: Ints,
    dilation: Ints = (1,),
) -> None:  # fmt: skip
    rank = len(e.shape(node)) - 2

    def each(numbers: Ints) -> list[int]:
        return list(numbers) * rank if len(numbers) == 1 else list(numbers)

    e.emit(
        op, node, [source], kernel_shape=each(kernel), strides=each(stride or kernel),
        pads=2 * each(padding), dilations=each(dilation),
    )  # fmt: skip


def _reduction(op: str) -> Any:
    def convert(
        e: Emitter, node: fx.Node, source: Any, dim: Any = None, keepdim: bool = False, **rest: Any
    ) -> None:
        _reduce(e, op, node, source, dim, keepdim)

    return convert


def _reduce(e: Emitter, op: str, node: fx.Node, source: Any, dim: Any, keepdim: bool) -> None:
    rank = len(e.graph.shapes[e.name(source)])
    chosen = range(rank) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    axes = [axis % rank for axis in chosen] if rank else []
    e.emit(op, node, [source], axes=axes, keepdims=int(keepdim))


RULES.update({name: _reduction(op) for name, op in REDUCTIONS.items()})


@rule("max", "min")
def extreme(
    e: Emitter, node: fx.Node, source: Any, dim: Any = None, keepdim: bool = False,
    other: Any = None,
) -> None:  # fmt: skip
    """Over an axis, with indices that are known from the run; of two tensors, elementwise."""
    largest = str(node.target).startswith("aten.max")
    if other is not None:
        e.emit("Max" if largest else "Min", node, [source, other])
        return
    _reduce(e, "ReduceMax" if largest else "ReduceMin", node, source, dim, keepdim)


@rule("topk", "sort", "kthvalue")
def ordered(e: Emitter, node: fx.Node, source: Any, **rest: Any) -> None:
    """Comparisons of every element, then the chosen ones; which they are is known from the run."""
    before = e.graph.shapes[e.name(source)]
    compared = e.emit("Sign", node, [source], "compared", before, word="compare")
    e.sources.pop(compared)  # how often each element is compared is not known
    shape = e.shape(node)
    axis = next((i for i, (a, b) in enumerate(zip(before, shape, strict=False)) if a != b), None)
    if axis is None or len(before) != len(shape):
        e.emit("Pick", node, [compared])
    else:
        bounds = [np.array([n]) for n in (0, shape[axis], axis, 1)]
        named = [e.constant(b, f"{node.name}:bound{i}") for i, b in enumerate(bounds)]
        e.emit("Slice", node, [compared, *named])


@rule("cumsum", "cumprod")
def running(e: Emitter, node: fx.Node, source: Any, **rest: Any) -> None:
    """A running sum along an axis: one addition for each element, none of them before the last."""
    e.emit("Running", node, [source])


@rule("nonzero", "bincount", "histc", "searchsorted", "bucketize")
def places(e: Emitter, node: fx.Node, **given: Any) -> None:
    """Where something is, or how often: known from the run, found by one pass over the input."""
    source = next(one for one in given.values() if e.live(one))
    if 0 in e.shape(node):
        e.same(node, source)
    else:
        e.emit("Pick", node, [source])


@rule("_local_scalar_dense", "item")
def number(e: Emitter, node: fx.Node, source: Any) -> None:
    """A tensor of one value as a number."""
    e.same(node, source)
