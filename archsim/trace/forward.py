"""A forward pass in NumPy over an encoder's layer graph, recording what every layer produced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.trace.encoder import TOKENS, EncoderConfig, encoder_layers
from archsim.trace.model import TRACE_VERSION, GraphInput, Provenance, Trace
from archsim.trace.operators import (
    Activation,
    Elementwise,
    Embedding,
    Layer,
    Linear,
    MatMul,
    Move,
    Norm,
    Reduce,
    Softmax,
)
from archsim.trace.stats import TensorStats, tensor_stats

Array = NDArray[np.float32]
Tokens = NDArray[np.int64]
BITS = 8
_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True)
class Parameters:
    """A layer's trained tensors: a weight (out, in), table (rows, features) or norm gain (d,)."""

    weight: Array
    bias: Array | None = None


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder's sizes, its parameters by layer name of the graph, and the norms' epsilon.

    The query projection carries the factor 1/sqrt(width / heads) of the attention scores.
    """

    config: EncoderConfig
    parameters: Mapping[str, Parameters]
    epsilon: float


def run(model: TrainedEncoder, tokens: Tokens) -> dict[str, Array]:
    """Every layer's output by its name, in the shapes of the trace, float32.

    tokens: shape (T,). Raises ValueError for a token outside the vocabulary or too many tokens.
    """
    if tokens.min() < 0 or tokens.max() >= model.config.vocabulary:
        raise ValueError(f"token ids must be 0 to {model.config.vocabulary - 1}")
    values: dict[str, Array] = {}
    for layer in encoder_layers(model.config, len(tokens)):
        if isinstance(layer, Embedding):
            index = {
                "embed.word": tokens,
                "embed.position": np.arange(len(tokens)),
                "embed.type": np.zeros(len(tokens), np.int64),
            }[layer.name]
            values[layer.name] = model.parameters[layer.name].weight[index]
            continue
        inputs = [values[name] for name in layer.inputs]
        own = model.parameters.get(layer.name)
        values[layer.name] = apply(layer, inputs, own, model.epsilon)
    return values


def record(
    model: TrainedEncoder, passages: Sequence[Tokens], name: str, provenance: Provenance
) -> Trace:
    """Run passages of equal length one after another and pool the values of each tensor.

    Statistics are at 8 bits, per tensor. Token ids are indices, not values, so the embeddings
    have no input statistics. Raises ValueError for no passages or passages of unequal length.
    """
    lengths = {len(tokens) for tokens in passages}
    if len(lengths) != 1:
        raise ValueError(f"needs passages of one length, has {sorted(lengths)}")
    runs = [run(model, tokens) for tokens in passages]
    shapes = {layer: list(value.shape) for layer, value in runs[0].items()}
    stats = {
        layer: tensor_stats(np.concatenate([values[layer].ravel() for values in runs]), BITS)
        for layer in shapes
    }
    tokens = lengths.pop()
    return Trace(
        archsim_trace=TRACE_VERSION,
        name=name,
        provenance=provenance,
        inputs=[GraphInput(name=TOKENS, shape=[tokens, 1], bits=model.config.token_bits)],
        layers=[
            _with_statistics(layer, model, shapes[layer.name], stats)
            for layer in encoder_layers(model.config, tokens)
        ],
    )


def _with_statistics(
    layer: Layer, model: TrainedEncoder, shape: list[int], stats: dict[str, TensorStats]
) -> Layer:
    weight = None
    if isinstance(layer, Linear):
        weight = tensor_stats(model.parameters[layer.name].weight, BITS)
    return layer.model_copy(
        update={
            "shape": shape,
            "weight_stats": weight,
            "input_stats": stats.get(layer.inputs[0]),
            "output_stats": stats[layer.name],
        }
    )


def apply(layer: Layer, inputs: list[Array], own: Parameters | None, epsilon: float) -> Array:
    """One layer's output. inputs: shapes as in the trace; own: the layer's parameters, if any."""
    first = inputs[0]
    match layer:
        case Linear() if own is not None and own.bias is not None:
            return first @ own.weight.T + own.bias
        case MatMul():
            return matmul(first, inputs[1], layer.heads, layer.transposed)
        case Softmax():
            return softmax(first, layer.groups)
        case Norm(function="layer") if own is not None and own.bias is not None:
            centred = first - first.mean(axis=-1, keepdims=True)
            variance = np.square(centred).mean(axis=-1, keepdims=True)
            unit: Array = centred / np.sqrt(variance + np.float32(epsilon))
            return unit * own.weight + own.bias
        case Activation():
            return activate(first, layer.function)
        case Elementwise(function="add"):
            return first + inputs[1]
        case Move(function="slice"):
            return first[: layer.shape[0]]
        case Reduce(function="mean"):
            mean: Array = first.mean(axis=0)
            return mean
        case _:
            raise NotImplementedError(f"no forward pass for layer '{layer.name}' ({layer.op})")


def matmul(rows: Array, operand: Array, heads: int, transposed: bool) -> Array:
    """Per-head product: (T, heads*k) with (n, heads*k) if transposed, else (k, heads*n)."""
    left = rows.reshape(len(rows), heads, -1).transpose(1, 0, 2)
    right = operand.reshape(len(operand), heads, -1).transpose(1, 0, 2)
    product = left @ (right.transpose(0, 2, 1) if transposed else right)
    return product.transpose(1, 0, 2).reshape(len(rows), -1)


def softmax(values: Array, groups: int) -> Array:
    """Softmax over each of `groups` equal parts of the channels of (T, C)."""
    parts = values.reshape(len(values), groups, -1)
    powers = np.exp(parts - parts.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares.reshape(values.shape)


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
            result = values / (1 + np.exp(-values))
        case "tanh":
            result = np.tanh(values)
        case _:
            raise NotImplementedError(f"no forward pass for the activation '{function}'")
    return result
