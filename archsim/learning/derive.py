"""From a layer graph and its trainable set: gradients, stored activations, backward work, updates.

No activation is computed again (checkpointing is left out), so that all that the backward pass
needs is stored.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from archsim.errors import InputError, nearest
from archsim.learning.needs import (
    Need,
    input_gradient_needs,
    trained_values,
    weight_gradient_needs,
)
from archsim.learning.work import STATES, LayerLearning, LearningWork, Optimizer, Stored
from archsim.trace.layer import channels
from archsim.trace.model import Trace
from archsim.trace.operators import Conv2d, Layer, Linear, MatMul, Recurrent


def learning_work(
    trace: Trace,
    trainable: Collection[str],
    *,
    biases: Collection[str] = (),
    optimizer: Optimizer = "sgd",
    batch: int = 1,
    weight_bits: int = 32,
    activation_bits: int = 32,
    gradient_bits: int = 32,
    state_bits: int = 32,
    relu_mask: bool = True,
) -> LearningWork:
    """One training step that changes the weights of the layers named in `trainable`.

    biases: layers whose biases alone (one value per output channel) are trained too, which needs
    the gradient of their outputs but no stored input (Cai et al., TinyTL, NeurIPS 2020).
    relu_mask: as in `input_gradient_needs`. The loss reads every output of the trace. A layer runs
    backward if it trains or lies between a trained layer and an output; before the first trained
    layer nothing does. Raises InputError for a name that the trace has not, a layer without
    weights, an unknown optimiser and a batch below 1.
    """
    layers = {layer.name: layer for layer in trace.layers}
    trains, shifts = _known(trainable, layers), _known(biases, layers)
    _check_trainable(trace, layers, trains, shifts)
    if optimizer not in STATES:
        raise InputError(f"there is no optimiser '{optimizer}'.", None, nearest(optimizer, STATES))
    if batch < 1:
        raise InputError(f"a mini-batch of {batch} is not possible.", None, "Give 1 or more.")
    carries = _carries(trace, trains | shifts)
    kept = _Store(batch, activation_bits)
    wanted = {
        layer.name: _needs(trace, layer, carries, layer.name in trains, relu_mask)
        for layer in trace.layers
    }
    kept.values = {n.tensor for needs in wanted.values() for n in needs if n.kind == "value"}
    result = []
    for layer in trace.layers:
        shapes, made = trace.input_shapes(layer), trace.shapes[layer.name]
        macs = layer.macs(shapes, made) * batch
        to_inputs = sum(name in carries for name in layer.inputs)
        own = trained_values(trace, layer) if layer.name in trains else 0
        own += channels(made) if layer.name in shifts else 0
        result.append(
            LayerLearning(
                name=layer.name,
                op=layer.op,
                runs_backward=layer.name in carries,
                needs_input_gradient=to_inputs > 0,
                needs_weight_gradient=own > 0,
                stored=kept.of(wanted[layer.name]),
                weights=layer.parameters(),
                input_elements=sum(map(math.prod, shapes)) * batch,
                output_elements=math.prod(made) * batch,
                forward_macs=macs,
                input_gradient_macs=macs * to_inputs,
                weight_gradient_macs=macs if layer.name in trains else 0,
                updates=own,
                states=own * STATES[optimizer],
            )
        )
    largest = max(layer.input_elements + layer.output_elements for layer in result)
    return LearningWork(
        trace=trace.name,
        batch=batch,
        optimizer=optimizer,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        gradient_bits=gradient_bits,
        state_bits=state_bits,
        layers=tuple(result),
        weight_memory_bits=trace.parameters(biases=True) * weight_bits,
        transient_bits=largest * activation_bits,
    )


class _Store:
    """Tensors kept so far: each once, and no sign of a tensor whose values are kept."""

    def __init__(self, batch: int, bits: int) -> None:
        self.batch, self.bits = batch, bits
        self.values: set[str] = set()
        self._seen: set[tuple[str, str]] = set()

    def of(self, needs: Iterable[Need]) -> tuple[Stored, ...]:
        found = []
        for need in needs:
            key = (need.tensor, need.kind)
            if key in self._seen or (need.kind == "sign" and need.tensor in self.values):
                continue
            self._seen.add(key)
            bits = {"sign": 1, "index": need.index_bits}.get(need.kind, self.bits)
            found.append(Stored(need.tensor, need.elements * self.batch, bits, need.reason))
        return tuple(found)


def _needs(
    trace: Trace, layer: Layer, carries: set[str], trains: bool, relu_mask: bool
) -> list[Need]:
    needs = list(weight_gradient_needs(trace, layer)) if trains else []
    if any(name in carries for name in layer.inputs):
        needs += input_gradient_needs(trace, layer, carries.__contains__, relu_mask)
    return needs


def _carries(trace: Trace, trained: set[str]) -> set[str]:
    """Layers to whose outputs the gradient must come: trained ones, and all that follow them."""
    found: set[str] = set()
    for layer in trace.layers:
        if layer.name in trained or any(name in found for name in layer.inputs):
            found.add(layer.name)
    return found


def _known(names: Collection[str], layers: dict[str, Layer]) -> set[str]:
    for name in names:
        if name not in layers:
            hint = nearest(name, layers)
            near = hint if hint.startswith("Did") else "Use the name of a layer of the trace."
            raise InputError(f"there is no layer '{name}' to train.", None, near)
    return set(names)


def _check_trainable(
    trace: Trace, layers: dict[str, Layer], trains: set[str], shifts: set[str]
) -> None:
    for name in sorted(trains):
        if isinstance(layers[name], MatMul) or not trained_values(trace, layers[name]):
            raise InputError(
                f"layer '{name}' ({layers[name].op}) has no weights to train.",
                None,
                "Name layers with weights: linear, conv2d, recurrent, embedding or norm.",
            )
    for name in sorted(shifts):
        if not isinstance(layers[name], (Linear, Conv2d, Recurrent)):
            raise InputError(
                f"layer '{name}' ({layers[name].op}) has no biases.",
                None,
                "Name linear, conv2d or recurrent layers.",
            )
