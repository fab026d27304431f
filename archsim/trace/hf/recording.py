"""A forward pass over a trained model's layer graph, recording what every layer produced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.models.graph import Graph
from archsim.trace.hf.checkpoint import Checkpoint, Tokens
from archsim.trace.hf.forward import Array, Parameters, apply, attended
from archsim.trace.model import TRACE_VERSION, Precision, Provenance, Trace
from archsim.trace.operators import Embedding, Layer, Linear, MatMul, Softmax
from archsim.trace.quantiser import Quantiser
from archsim.trace.stats import TensorStats

Statistics = Literal["all", "stored"]
BLOCK = 1 << 22  # elements that are quantised at once


@dataclass(frozen=True)
class Step:
    """One layer and what came out of it: an array per passage, in the shape of the trace.

    hidden: the values that a causal mask hides hold -inf (scores) or 0 (shares).
    """

    layer: Layer
    parameters: Parameters | None
    outputs: list[Array]
    hidden: bool


def walk(model: Checkpoint, graph: Graph, passages: Sequence[Tokens]) -> Iterator[Step]:
    """Run all passages through one layer after another.

    A layer's tensors are read when it is its turn, and a layer's outputs are dropped after their
    last reader, so that memory holds one layer and the values that are still needed.
    """
    readers = Counter(name for layer in graph.layers for name in layer.inputs)
    values: dict[str, list[Array]] = {}
    hidden: set[str] = set()
    for layer in graph.layers:
        own = model.parameters(layer)
        if isinstance(layer, Embedding):
            outputs = [model.look_up(layer, tokens) for tokens in passages]
        else:
            given = zip(*(values[name] for name in layer.inputs), strict=True)
            outputs = [apply(layer, list(inputs), own, model.constants) for inputs in given]
        masked = isinstance(layer, MatMul) and layer.causal and layer.transposed
        if masked or (isinstance(layer, Softmax) and layer.inputs[0] in hidden):
            hidden.add(layer.name)
        values[layer.name] = outputs
        yield Step(layer, own, outputs, layer.name in hidden)
        for name in layer.inputs:
            readers[name] -= 1
            if not readers[name]:
                values.pop(name, None)


def run(model: Checkpoint, tokens: Tokens) -> dict[str, Array]:
    """Every layer's output by its name, for one sequence (T,), in the shapes of the trace."""
    check_tokens(model, [tokens])
    graph = model.graph(len(tokens))
    return {step.layer.name: step.outputs[0] for step in walk(model, graph, [tokens])}


def record(
    model: Checkpoint,
    passages: Sequence[Tokens],
    name: str,
    provenance: Provenance,
    *,
    decode: int = 0,
    quantiser: Quantiser | None = None,
    statistics: Statistics = "all",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Trace:
    """A trace of the model with statistics pooled over passages of equal length.

    decode: how many of a passage's tokens are generated; the text itself takes the place of the
    chosen tokens, and with a causal mask one pass over all positions gives the values that a
    pass per token would. statistics: of every layer, or of the weights and inputs of layers with
    stored weights alone, which makes a third of the file. Token ids are indices, not values, so
    the embeddings have no input statistics. progress(done, total) is called after each layer.

    Raises InputError for no passages or passages of unequal length, token ids outside the
    vocabulary, and NaN or infinite values, at the first layer that has them.
    """
    quantiser = quantiser or Quantiser()
    lengths = {len(tokens) for tokens in passages}
    if len(lengths) != 1:
        raise InputError(f"needs passages of one length, has {sorted(lengths)}.")
    check_tokens(model, passages)
    graph = model.graph(lengths.pop() - decode, decode)
    every = statistics == "all"
    wanted = {layer.inputs[0] for layer in graph.layers if every or layer.stationary}
    seen: dict[str, TensorStats] = {}
    layers: list[Layer] = []
    for step in walk(model, graph, passages):
        layer = step.layer
        if every or layer.name in wanted:
            seen[layer.name] = _activations(step, quantiser)
        weight = None
        if isinstance(layer, Linear) and step.parameters is not None:
            weight = _weights(layer, step.parameters.weight, quantiser)
        layers.append(
            layer.model_copy(
                update={
                    "shape": list(step.outputs[0].shape),
                    "weight_stats": weight,
                    "input_stats": seen.get(layer.inputs[0]) if every or weight else None,
                    "output_stats": seen[layer.name] if every else None,
                }
            )
        )
        progress(len(layers), len(graph.layers))
    return Trace(
        archsim_trace=TRACE_VERSION,
        name=name,
        provenance=provenance,
        precision=Precision(weight=quantiser.weight_bits, input=quantiser.input_bits),
        generation=graph.generation,
        inputs=graph.inputs,
        layers=layers,
    )


def check_tokens(model: Checkpoint, passages: Iterable[Tokens]) -> None:
    """InputError for token ids outside the vocabulary."""
    top = model.sizes.vocabulary - 1
    for tokens in passages:
        if tokens.min() < 0 or tokens.max() > top:
            raise InputError(
                f"the token ids run from {tokens.min()} to {tokens.max()}.",
                fix=f"This model's are 0 to {top}: use its own tokeniser.",
            )


def _weights(layer: Linear, weight: Array, quantiser: Quantiser) -> TensorStats:
    try:
        return quantiser.stream_weights(lambda: _row_blocks([weight.T]))
    except ValueError as error:
        raise InputError(
            f"layer '{layer.name}' has weights that cannot be quantised: {error}.",
            fix="Fetch the model again.",
        ) from None


def _activations(step: Step, quantiser: Quantiser) -> TensorStats:
    """Statistics of a layer's outputs.

    Values behind a causal mask are never computed, so they do not count; with one scale per token,
    which needs whole rows, they count as zeros.
    """
    outputs = step.outputs
    if step.hidden:
        rows, channels = outputs[0].shape
        heads = step.layer.heads if isinstance(step.layer, MatMul) else step.layer.groups  # type: ignore[union-attr]
        seen = np.tile(attended(rows, channels // heads), heads)
        if quantiser.scheme == "per_token_symmetric":
            outputs = [np.where(seen, values, np.float32(0)) for values in outputs]
        else:
            outputs = [values[seen][:, None] for values in outputs]
    try:
        return quantiser.stream_activations(lambda: _row_blocks(outputs))
    except ValueError as error:
        raise InputError(
            f"layer '{step.layer.name}' ({step.layer.op}) gives values that cannot be quantised: "
            f"{error}.",
            fix="Check the model's weights; a float16 model may overflow where float32 does not.",
        ) from None


def _row_blocks(matrices: Sequence[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Whole rows, at most BLOCK elements at a time."""
    for matrix in matrices:
        rows = matrix.reshape(-1, matrix.shape[-1])
        step = max(1, BLOCK // rows.shape[1])
        for first in range(0, len(rows), step):
            yield rows[first : first + step]
