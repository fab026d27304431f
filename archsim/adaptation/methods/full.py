"""Full fine-tuning: every weight is learnt anew and programmed into the arrays."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.method import Method, weight_bits, weight_layers
from archsim.arch.model import Architecture
from archsim.trace.model import Trace


class FullFineTuning(Method):
    """All weights in arrays are trained, and every copy of them is programmed.

    differential: cells whose level does not change are not written. The new codes are taken as
    independent draws from the same distribution as the old ones, which is the most that changes.
    """

    kind: Literal["full"]
    differential: bool = True

    title: ClassVar[str] = "Full fine-tuning"
    paper: ClassVar[str] = "the method all others are compared with"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        layers = weight_layers(trace)
        return Adapted(
            trace=trace,
            switch=reprogrammed(layers, arch, differential=self.differential),
            trained=sum(layer.parameters() for layer in layers),
            stored_bits=weight_bits(layers, trace),
            trainable=frozenset(layer.name for layer in layers),
        )
