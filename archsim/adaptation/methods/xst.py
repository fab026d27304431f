"""XST: continual learning with whole crossbar columns as the unit that is learnt and switched."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import changed_cells
from archsim.adaptation.masks import column_masks, mask_targets
from archsim.adaptation.method import Method, Modules, PositiveShare
from archsim.arch.model import Architecture
from archsim.mapping.written import Rewrite
from archsim.trace.model import Trace


class XST(Method):
    """A task trains a share of the columns; these alone are programmed, and digitised.

    Zhang et al., XST, DATE 2022. columns: that share; 0.67 is what the abstract's 1.5 times less
    inference energy asks for (our inference). A mask of one bit per column says which they are.
    A task switch programs them, as a task that is learnt for the first time does.
    """

    kind: Literal["xst"]
    columns: PositiveShare = 0.67
    modules: Modules = None

    title: ClassVar[str] = "XST"
    paper: ClassVar[str] = "Zhang et al., DATE 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        masked = column_masks(trace, arch, self.modules, bits=1, kept=self.columns)
        programmed: list[Rewrite] = []
        weights = bits = 0
        for layer in mask_targets(trace, arch, self.modules, 1):
            share = self.columns * changed_cells(layer, arch)
            programmed.append(Rewrite(layer.name, changed=share))
            learnt = round(self.columns * layer.parameters())
            weights += learnt
            bits += learnt * (layer.weight_bits or trace.precision.weight)
        return replace(
            masked,
            switch=(*programmed, *masked.switch),
            trained=weights,
            stored_bits=masked.stored_bits + bits,
        )
