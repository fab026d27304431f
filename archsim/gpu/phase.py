"""How much of each tensor and layer one phase of a model touches: all, prefill or a decode step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archsim.trace.layer import positions
from archsim.trace.model import Trace
from archsim.trace.operators import Layer, MatMul

PhaseName = Literal["whole", "prefill", "decode"]
Number = float | NDArray[np.float64]
"""A figure, or one figure for each of the decode steps."""


@dataclass(frozen=True)
class Phase:
    """One run over a trace, for one inference (times its interleaved sequences).

    whole: a trace without generation, every layer once. prefill: `rows` prompt positions at once.
    decode: one position of each sequence, which attends to `keys` positions (an array: one step
    for each of its values). `skip_masked`: the kernel leaves out what a causal mask hides.
    """

    trace: Trace
    name: PhaseName
    rows: int
    keys: Number
    skip_masked: bool = True

    @property
    def _sequences(self) -> int:
        return self.trace.generation.sequences if self.trace.generation else 1

    @cached_property
    def _spans(self) -> tuple[int, int]:
        """Positions of the whole sequence and of the scores for the next token; 0 if neither."""
        made = self.trace.generation
        if made is None:
            return 0, 0
        return made.sequences * (made.prompt + made.decode), made.sequences * (made.decode + 1)

    @cached_property
    def keyed(self) -> dict[str, MatMul]:
        """Tensors with one channel for each attended position, and whose scores these are."""
        found: dict[str, MatMul] = {}
        if self.trace.generation is None:
            return found
        shapes = self.trace.shapes
        for layer in self.trace.layers:
            if isinstance(layer, MatMul):
                if layer.transposed and self._own(layer):
                    found[layer.name] = layer
                continue
            for name in layer.inputs:
                if name in found and shapes[name] == shapes[layer.name]:
                    found[layer.name] = found[name]
        return found

    def _own(self, layer: MatMul) -> bool:
        """True for a product whose rows attend to their own sequence up to themselves."""
        return layer.hides_future(positions(self.trace.shapes[layer.name]))

    def _attended(self, layer: MatMul) -> Number:
        """Positions that a masked product's rows attend to on average, of those there so far."""
        if self.trace.generation is None or layer.causal:
            return self.keys
        count = layer.attended(positions(self.trace.shapes[layer.name])).count
        if self.name == "prefill":
            return float(count[: self.rows].max()) if self.skip_masked else self.keys
        cached = layer.span - len(count)  # positions before the first row
        steps = np.rint(np.asarray(self.keys)).astype(np.int64) - 1 - cached
        found = count[steps].astype(np.float64)
        return found if np.ndim(self.keys) else float(found)

    def _kind(self, tensor: str) -> Literal["sequence", "scores", "once"]:
        if self.name == "whole":
            return "once"
        whole, scores = self._spans
        count = positions(self.trace.shapes[tensor])
        if count == whole:
            return "sequence"
        return "scores" if count == scores else "once"

    def key_share(self, layer: MatMul) -> Number:
        """Positions that a product attends to as a part of the whole sequence."""
        return self._attended(layer) * self._sequences / self._spans[0]

    def runs(self, layer: Layer) -> bool:
        """Whether the phase runs a layer: decode steps leave out what no token changes."""
        if layer.op == "idle":
            return False
        return self.name != "decode" or self._kind(layer.name) != "once"

    def share(self, tensor: str) -> Number:
        """Part of a tensor that the phase produces."""
        share = self.row_share(tensor)
        keyed = self._kind(tensor) == "sequence" and tensor in self.keyed
        return share * self.key_share(self.keyed[tensor]) if keyed else share

    def row_share(self, tensor: str) -> float:
        """Part of a tensor's positions that the phase produces."""
        kind = self._kind(tensor)
        whole, scores = self._spans
        if kind == "once":
            return 0.0 if self.name == "decode" else 1.0
        if kind == "scores":
            return self._sequences / scores
        return self._sequences * self.rows / whole

    def produced(self, tensor: str) -> Number:
        """Elements of a tensor that the phase produces."""
        return math.prod(self.trace.shapes[tensor]) * self.share(tensor)

    def read(self, layer: Layer, which: int) -> Number:
        """Elements of input number `which` that a layer reads, each counted once."""
        tensor = layer.inputs[which]
        full = math.prod(self.trace.shapes[tensor])
        kind, own = self._kind(tensor), self._kind(layer.name)
        if layer.op == "move" and layer.function == "slice":
            return self.produced(layer.name)
        if kind == "once" or own == "once":
            return full
        if isinstance(layer, MatMul) and which == 1 and self._own(layer):
            keys = self.keys if self.name == "prefill" else self._attended(layer)
            return full * keys * self._sequences / self._spans[0]
        if kind == "sequence" and own == "scores":
            return full * self._sequences / self._spans[0]
        return self.produced(tensor)

    def macs(self, layer: Layer) -> Number:
        """Multiply-accumulates of a layer."""
        output = self.trace.shapes[layer.name]
        if not isinstance(layer, MatMul) or not layer.masked:
            full = layer.macs(self.trace.input_shapes(layer), output)
            return full * self.share(layer.name)
        count = layer.attended(positions(output)).count
        pairs: Number = float(count.sum() if self.skip_masked else len(count) * layer.span)
        if self.name == "prefill":
            kept = count[: self.rows].sum() if self.skip_masked else self.rows * self.keys
            pairs = float(kept)
        elif self.name == "decode":
            pairs = self._attended(layer)
        return layer.per_token * layer.sequences * pairs
