"""Operators of a transformer in NumPy float32, for layers as a trace describes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.trace.operators import (
    Activation,
    Elementwise,
    Layer,
    Linear,
    MatMul,
    Move,
    Norm,
    Reduce,
    Softmax,
)

Array = NDArray[np.float32]
_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True)
class Parameters:
    """A layer's trained tensors: a weight (out, in) or a norm's gain (d,), and a bias."""

    weight: Array
    bias: Array | None = None


@dataclass(frozen=True)
class Constants:
    """What a forward pass needs beside the layers and their parameters.

    epsilon: of the norms. rotary: radians per position of each pair of channels of a head, shape
    (head / 2,), float64; None without rotary embeddings.
    """

    epsilon: float
    rotary: NDArray[np.float64] | None = None


def apply(layer: Layer, inputs: list[Array], own: Parameters | None, constants: Constants) -> Array:
    """One layer's output for one sequence.

    inputs: shapes as in the trace, positions first; own: the layer's parameters, if any. Scores
    that a causal mask hides are -inf. Raises NotImplementedError for an operator without a rule.
    """
    first = inputs[0]
    match layer:
        case Linear() if own is not None:
            product = first @ own.weight.T
            return product if own.bias is None else product + own.bias
        case MatMul():
            return matmul(layer, first, inputs[1])
        case Softmax():
            return softmax(first, layer.groups)
        case Norm() if own is not None:
            return norm(first, layer.function, own, constants.epsilon)
        case Activation(function="rotary") if constants.rotary is not None:
            return rotate(first, constants.rotary)
        case Activation():
            return activate(first, layer.function)
        case Elementwise(function="add"):
            return first + inputs[1]
        case Elementwise(function="mul"):
            return first * inputs[1]
        case Move(function="slice"):
            start = layer.start or 0
            return first[start : start + layer.shape[0]]
        case Reduce(function="mean"):
            mean: Array = first.mean(axis=0)
            return mean
        case _:
            raise NotImplementedError(f"no forward pass for layer '{layer.name}' ({layer.op})")


def matmul(layer: MatMul, rows: Array, operand: Array) -> Array:
    """Per-head product: (T, heads*k) with (n, heads*k) if transposed, else (k, heads*n).

    With kv_heads below heads, neighbouring heads share an operand (Ainslie et al., EMNLP 2023).
    """
    shared = layer.kv_heads or layer.heads
    left = rows.reshape(len(rows), layer.heads, -1).transpose(1, 0, 2)
    right = operand.reshape(len(operand), shared, -1).transpose(1, 0, 2)
    if shared < layer.heads:
        right = right.repeat(layer.heads // shared, axis=0)
    product = left @ (right.transpose(0, 2, 1) if layer.transposed else right)
    if layer.causal and layer.transposed:
        product[:, ~attended(len(rows), layer.n)] = -np.inf
    return product.transpose(1, 0, 2).reshape(len(rows), -1)


def attended(rows: int, span: int) -> NDArray[np.bool_]:
    """Which of `span` positions each of the last `rows` positions may attend to, (rows, span)."""
    return np.tri(rows, span, span - rows, dtype=bool)


def softmax(values: Array, groups: int) -> Array:
    """Softmax over each of `groups` equal parts of the channels of (T, C)."""
    parts = values.reshape(len(values), groups, -1)
    powers = np.exp(parts - parts.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares.reshape(values.shape)


def norm(values: Array, function: str, own: Parameters, epsilon: float) -> Array:
    """Layer norm (Ba et al., 2016) or RMS norm (Zhang and Sennrich, NeurIPS 2019) of (T, C)."""
    if function == "layer" and own.bias is not None:
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        unit: Array = centred / np.sqrt(variance + np.float32(epsilon))
        return unit * own.weight + own.bias
    if function == "rms":
        power = np.square(values).mean(axis=-1, keepdims=True)
        scaled: Array = values / np.sqrt(power + np.float32(epsilon)) * own.weight
        return scaled
    raise NotImplementedError(f"no forward pass for the norm '{function}'")


def rotate(values: Array, frequencies: NDArray[np.float64]) -> Array:
    """Rotary position embedding (Su et al., 2021) of (T, heads * head).

    Channel i of a head turns with channel i + head / 2 by position * frequencies[i], as in the
    checkpoints of Hugging Face.
    """
    half = len(frequencies)
    parts = values.reshape(len(values), -1, 2, half)
    angle = np.arange(len(values))[:, None, None] * frequencies
    cosine, sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    low, high = parts[:, :, 0], parts[:, :, 1]
    turned = np.stack([low * cosine - high * sine, high * cosine + low * sine], axis=2)
    return turned.reshape(values.shape)


def activate(values: Array, function: str) -> Array:
    """GELU in its exact form x/2 (1 + erf(x/sqrt 2)) (Hendrycks and Gimpel, 2016), and others."""
    result: Array
    match function:
        case "gelu":
            erf = _erf(values / math.sqrt(2)).astype(np.float32)
            result = values * np.float32(0.5) * (1 + erf)
        case "relu":
            result = np.maximum(values, np.float32(0))
        case "silu":
            with np.errstate(over="ignore"):  # exp(-x) may be inf, x / inf is the right 0
                result = values / (1 + np.exp(-values))
        case "tanh":
            result = np.tanh(values)
        case _:
            raise NotImplementedError(f"no forward pass for the activation '{function}'")
    return result
