"""The values of every layer, from a second run of the captured graph."""

from __future__ import annotations

import numpy as np
from torch import fx

from archsim.errors import InputError
from archsim.trace.layer import LayerBase
from archsim.trace.onnx.builder import Builder
from archsim.trace.onnx.graph import Array
from archsim.trace.onnx.measure import with_found
from archsim.trace.onnx.record import Record
from archsim.trace.onnx.weights import Weight
from archsim.trace.operators import Softmax
from archsim.trace.pytorch.emitter import Emitter
from archsim.trace.pytorch.run import array, leaves, run
from archsim.trace.quantiser import Quantiser
from archsim.trace.stats import TensorStats


def measured(
    builder: Builder, emitter: Emitter, quantiser: Quantiser
) -> tuple[list[LayerBase], dict[str, TensorStats]]:
    """The layers with their statistics, and the statistics of the inputs.

    Values are counted as the run makes them, so that no more of them is held than the module
    itself holds. InputError for values that are NaN or infinite.
    """

    def weigh(weight: Weight, layer: str) -> TensorStats:
        try:
            return quantiser.weights(weight.real)
        except ValueError as fault:
            raise InputError(
                f"the weights of layer '{layer}' cannot be quantised: {fault}.",
                str(builder.graph.path),
            ) from None

    return with_found(builder, _activations(builder, emitter, quantiser), quantiser, weigh)


def _activations(
    builder: Builder, emitter: Emitter, quantiser: Quantiser
) -> dict[str, TensorStats]:
    readers: dict[str, list[Record]] = {}
    for record in builder.records():
        source = emitter.sources.get(record.tensor)
        if source is not None:
            readers.setdefault(source.node, []).append(record)
    kinds = {draft.layer.name: draft.layer for draft in builder.drafts}
    found: dict[str, TensorStats] = {}
    hidden: dict[str, Array] = {}

    def show(node: fx.Node, result: object) -> None:
        for record in readers.get(node.name, []):
            source = emitter.sources[record.tensor]
            values = array(leaves(result)[source.entry])
            if values.dtype.kind != "f" or not values.size:
                continue
            if source.derive is not None:
                values = source.derive(values)
            unseen = emitter.hidden.get(record.tensor)
            if unseen is not None:
                values = np.where(unseen, np.float32(-np.inf), values)
            rows = record.rows(values)
            mask = np.isneginf(rows)
            layer = kinds.get(record.name)
            if isinstance(layer, Softmax) and layer.inputs[0] in hidden:
                mask = hidden[layer.inputs[0]]
            if mask.any():
                hidden[record.name] = mask
                if quantiser.scheme == "per_token_symmetric":
                    rows = np.where(mask, np.float32(0), rows)
                else:
                    rows = rows[~mask][:, None]
            found[record.name] = _counted(builder, record.name, rows, quantiser)

    run(emitter.captured, show)
    return found


def _counted(builder: Builder, name: str, rows: Array, quantiser: Quantiser) -> TensorStats:
    try:
        return quantiser.activations(rows)
    except ValueError as fault:
        raise InputError(
            f"layer '{name}' gives values that cannot be quantised: {fault}.",
            str(builder.graph.path),
            "Check the example inputs and the module's weights.",
        ) from None
