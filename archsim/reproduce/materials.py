"""What an experiment's names stand for: architectures and traces, loaded and changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archsim.adaptation.insertion import insert_behind
from archsim.adaptation.pruning import prune_channels
from archsim.arch.load import arch_from_document
from archsim.arch.model import Architecture
from archsim.documents import load_document
from archsim.reproduce.assumptions import merged
from archsim.reproduce.experiment import Chip, ModelChoice
from archsim.trace.circulant import with_circulant
from archsim.trace.layer import channels
from archsim.trace.model import TRACE_VERSION, GraphInput, Precision, Provenance, Trace
from archsim.trace.operators import Conv2d, Linear, Norm

MADE_BY = "archsim reproduce"


def make_chip(chip: Chip, folder: Path) -> Architecture:
    """The architecture with its changes; InputError if they do not fit."""
    document = load_document(folder / chip.arch)
    data = merged(document.data, chip.change)
    return arch_from_document(dataclasses.replace(document, data=data))


def make_model(choice: ModelChoice, folder: Path) -> Trace:
    """The trace that a choice stands for; InputError if its sizes do not fit together."""
    trace = _plain(choice, folder)
    if choice.norms:
        trace = with_norms(trace)
    if choice.circulant > 1:
        trace = with_circulant(trace, choice.circulant)
    return prune_channels(trace, choice.prune).trace if choice.prune else trace


def _plain(choice: ModelChoice, folder: Path) -> Trace:
    from archsim.models.build import build_trace
    from archsim.models.extent import Extent
    from archsim.models.load import load_config
    from archsim.trace.load import load_trace

    precision = Precision(weight=choice.weight_bits, input=choice.input_bits)
    if choice.trace is not None:
        return load_trace(folder / choice.trace)
    if choice.linear is not None:
        return _one_layer(choice.linear, choice.seq or 1, precision)
    assert choice.config is not None  # validated: one of the three is there
    config = load_config(choice.config)
    if choice.sizes:
        fields: Mapping[str, Any] = config.model_dump(exclude={"parameters"})
        config = type(config).model_validate({**fields, **choice.sizes})
    extent = Extent(
        seq=choice.seq,
        decode=choice.decode,
        sequences=choice.sequences,
        image=choice.image,
        head=choice.head,
    )
    return build_trace(config, extent, MADE_BY, precision)


def _one_layer(size: tuple[int, int], count: int, precision: Precision) -> Trace:
    inner, outer = size
    layer = Linear(op="linear", name="layer", inputs=["x"], in_features=inner, out_features=outer)
    return Trace(
        archsim_trace=TRACE_VERSION,
        name=f"linear {inner} x {outer}",
        provenance=Provenance(model="one fully connected layer", made_by=MADE_BY),
        precision=precision,
        inputs=[GraphInput(name="x", shape=[count, inner])],
        layers=[layer],
    )


def with_norms(trace: Trace) -> Trace:
    """A batch norm (gain and shift per channel) behind every convolution.

    Traces have batch norms folded into convolutions; a training step has them apart.
    """
    added = {
        layer.name: [
            Norm(
                op="norm",
                name=f"{layer.name}_norm",
                inputs=[layer.name],
                function="batch",
                biases=2 * channels(trace.shapes[layer.name]),
            )
        ]
        for layer in trace.layers
        if isinstance(layer, Conv2d)
    }
    return insert_behind(trace, added)
