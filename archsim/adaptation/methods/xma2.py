"""XMA2: the most important PEs are programmed anew, the columns of the others are scaled."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import changed_cells
from archsim.adaptation.masks import divide_pes, mask_targets
from archsim.adaptation.method import Method, Modules
from archsim.arch.model import Architecture
from archsim.mapping.placement import Placement
from archsim.mapping.written import Rewrite
from archsim.schema.ranges import BitWidth, Share
from archsim.trace.model import Trace


class XMA2(Method):
    """A mask over PEs chooses which are programmed; a factor scales each column of the rest.

    Zhang et al., XMA2, Frontiers in Electronics 2022, doi:10.3389/felec.2022.1032485. pes: share
    of each layer's PEs that a task programs, rounded up to whole PEs; bits: of a column's factor.
    Both defaults are assumptions. Which PEs are chosen has no influence on the costs, so they are
    the first of a layer. Kept per task: one bit per PE, the weights of those programmed and the
    factors of the others.
    """

    kind: Literal["xma2"]
    pes: Share = 0.1
    bits: BitWidth = 4
    modules: Modules = None

    title: ClassVar[str] = "XMA2"
    paper: ClassVar[str] = "Zhang et al., Front. Electron. 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        switch: list[Rewrite] = []
        trained = stored = 0
        layers = mask_targets(trace, arch, self.modules, self.bits)
        for layer in layers:
            found = divide_pes(layer, trace, arch, self.pes)
            width = layer.weight_bits or trace.precision.weight
            trained += found.weights + found.columns
            stored += found.pes + found.weights * width + found.columns * self.bits
            if found.weights:
                changed = changed_cells(layer, arch)
                switch.append(Rewrite(layer.name, changed=changed, pes=self.pes))
            if found.columns:
                switch.append(Rewrite(layer.name, "mask", bits=found.columns * self.bits))
        names = frozenset(layer.name for layer in layers)
        return Adapted(
            trace=trace,
            placement=Placement(masked=names),
            switch=tuple(switch),
            trained=trained,
            stored_bits=stored,
            trainable=names,
        )
