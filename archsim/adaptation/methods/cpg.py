"""CPG: compact, pick, grow - old weights are picked one by one, released ones learnt anew."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import changed_cells, masked_cells
from archsim.adaptation.method import Method, Modules, targets, weight_layers
from archsim.arch.model import Architecture
from archsim.mapping.written import Rewrite
from archsim.schema.ranges import Share
from archsim.trace.model import Trace


class CPG(Method):
    """A task learns a mask over the kept weights and new values for a share of released ones.

    Hung et al., Compacting, Picking and Growing, NeurIPS 2019. grown: share of all weights that a
    task learns anew; picked: share of the others that its mask keeps. Both defaults are
    assumptions. A crossbar follows the mask only by programming cells, so the cells that change
    are those of the grown weights and, as in Piggyback, 2 picked (1 - picked) of the others.
    The growth of layers beyond their size, for tasks that need it, is not modelled.
    """

    kind: Literal["cpg"]
    picked: Share = 0.5
    grown: Share = 0.2
    modules: Modules = None

    title: ClassVar[str] = "CPG"
    paper: ClassVar[str] = "Hung et al., NeurIPS 2019"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        layers = weight_layers(trace) if self.modules is None else targets(trace, self.modules)
        switch: list[Rewrite] = []
        stored = 0
        for layer in layers:
            old = (1 - self.grown) * masked_cells(layer, arch, self.picked)
            new = self.grown * changed_cells(layer, arch)
            switch.append(Rewrite(layer.name, changed=old + new))
            width = layer.weight_bits or trace.precision.weight
            stored += layer.parameters() + round(self.grown * layer.parameters()) * width
        return Adapted(
            trace=trace,
            switch=tuple(switch),
            trained=sum(layer.parameters() for layer in layers),
            stored_bits=stored,
            trainable=frozenset(layer.name for layer in layers),
        )
