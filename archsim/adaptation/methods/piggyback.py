"""Piggyback: a binary mask over the single weights; cells take the masked values of each task."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import masked_cells
from archsim.adaptation.method import Method, Modules, targets, weight_layers
from archsim.arch.model import Architecture
from archsim.mapping.written import Rewrite
from archsim.schema.ranges import Share
from archsim.trace.model import Trace


class Piggyback(Method):
    """One bit per weight keeps or zeroes it; a crossbar can only do so by programming the cells.

    Mallya et al., Piggyback, ECCV 2018. kept: share of the weights that a mask keeps (0.5 is an
    assumption). The masks of two tasks are taken as independent, so that 2 kept (1 - kept) of the
    weights change, and of these the cells that do not hold the level of zero anyway.
    differential: only cells that change are written.
    """

    kind: Literal["piggyback"]
    kept: Share = 0.5
    differential: bool = True
    modules: Modules = None

    title: ClassVar[str] = "Piggyback"
    paper: ClassVar[str] = "Mallya et al., ECCV 2018"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        layers = weight_layers(trace) if self.modules is None else targets(trace, self.modules)
        changed = {
            layer.name: masked_cells(layer, arch, self.kept) if self.differential else 1.0
            for layer in layers
        }
        weights = sum(layer.parameters() for layer in layers)
        return Adapted(
            trace=trace,
            switch=tuple(Rewrite(name, changed=share) for name, share in changed.items()),
            trained=weights,
            stored_bits=weights,
            trainable=frozenset(changed),
        )
