"""BitFit: only the biases are trained; no cell is programmed."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.biases import bias_counts, bias_rewrites
from archsim.adaptation.method import Method, Modules, targets, weight_layers
from archsim.arch.model import Architecture
from archsim.trace.model import Trace


class BitFit(Method):
    """One bias per output channel of each layer with weights goes to the tile's buffer.

    Ben Zaken et al., BitFit, ACL 2022. The biases of norms are not counted; adding a bias belongs
    to the shift-and-add that is there anyway and costs nothing more.
    """

    kind: Literal["bitfit"]
    modules: Modules = None

    title: ClassVar[str] = "BitFit"
    paper: ClassVar[str] = "Ben Zaken et al., ACL 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        layers = weight_layers(trace) if self.modules is None else targets(trace, self.modules)
        counts = bias_counts(layers, trace)
        return Adapted(
            trace=trace,
            switch=bias_rewrites(counts, trace),
            trained=sum(counts.values()),
            stored_bits=sum(counts.values()) * trace.precision.weight,
            trainable=frozenset(),
            biases=frozenset(counts),
        )
