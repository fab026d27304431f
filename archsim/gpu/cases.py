"""The kernels to measure: each layer's operator with its tensors' shapes, in each phase."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from archsim.gpu.fusion import group_layers
from archsim.gpu.inference import phases
from archsim.gpu.measurement import mean_keys, measured_phase
from archsim.gpu.phase import Phase, PhaseName
from archsim.trace.layer import channels
from archsim.trace.model import Trace
from archsim.trace.operators import Layer

LEFT_OUT: Final = (
    "recurrent",
    "fold",
    "unknown",
)  # no kernel of PyTorch does the layer's work alone


@dataclass(frozen=True)
class Case:
    """One kernel to measure. Shapes are of one inference, positions first and channels last.

    inputs: of each input, as the kernel reads it; a product's second one is what is attended to.
    """

    layer: Layer
    phase: PhaseName
    keys: int
    launches: int
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]

    @property
    def signature(self) -> str:
        """Equal for kernels that do the same on tensors of the same shapes."""
        return json.dumps([self.op_fields(), self.inputs, self.output, self.phase == "decode"])

    def op_fields(self) -> dict[str, Any]:
        """The operator's own parameters, without what tells this layer from its like."""
        names = {"name", "inputs", "shape", "biases", "tied_to", "weight_bits", "input_bits"}
        names |= {"weight_stats", "input_stats", "output_stats"}
        return self.layer.model_dump(mode="json", exclude=names)


def cases(trace: Trace) -> list[Case]:
    """Every kernel of a trace, each layer by itself; decode steps at their mean number of keys.

    Views, and the operators of LEFT_OUT, have none.
    """
    found = []
    for phase in phases(trace, skip_masked=False):
        name, launches, keys = phase.name, 1, 0
        at = phase
        if name == "decode" and trace.generation is not None:
            launches, keys = trace.generation.decode, mean_keys(trace)
            at = measured_phase(trace, name, keys)
        for group in group_layers(trace, fuse=False):
            layer = group.layers[0]
            if not at.runs(layer) or layer.op in LEFT_OUT:
                continue
            reads = tuple(_read_shape(at, layer, i) for i in range(len(layer.inputs)))
            found.append(Case(layer, name, keys, launches, reads, _made_shape(at, layer.name)))
    return found


def _made_shape(phase: Phase, tensor: str) -> tuple[int, ...]:
    return _scaled(phase.trace.shapes[tensor], phase.produced(tensor), phase, tensor)


def _read_shape(phase: Phase, layer: Layer, which: int) -> tuple[int, ...]:
    tensor = layer.inputs[which]
    shape = phase.trace.shapes[tensor]
    if layer.op == "embedding":
        return (math.prod(_made_shape(phase, layer.name)[:-1]), 1)
    return _scaled(shape, phase.read(layer, which), phase, tensor)


def _scaled(shape: tuple[int, ...], elements: Any, phase: Phase, tensor: str) -> tuple[int, ...]:
    """The shape of so many elements: fewer positions, and fewer channels where those are keys."""
    wanted = round(float(elements))
    if wanted == math.prod(shape):
        return shape
    width = channels(shape)
    if tensor in phase.keyed:
        width = round(width * float(phase.key_share(phase.keyed[tensor])))
    return (wanted // width, width)
