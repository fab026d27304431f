"""XST: continual learning with whole crossbar columns as the unit that is learnt and switched."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import changed_cells
from archsim.adaptation.masks import column_masks, mask_targets
from archsim.adaptation.method import Method, Modules
from archsim.arch.model import Architecture
from archsim.mapping.written import Rewrite
from archsim.schema.ranges import PositiveShare
from archsim.trace.model import Trace


class XST(Method):
    """A task uses a share of the columns, of which it learns some anew; the others are off.

    Zhang et al., XST, DATE 2022. columns: share that the task's mask leaves on, which alone is
    digitised; 0.67 is what the abstract's 1.5 times less inference energy asks for (our inference).
    learnt: share of all columns that the task learns, at most `columns`; None: all that it uses.
    The rest of those in use are columns of earlier tasks, as they are. A mask of one bit per column
    says which are on. A task switch programs the columns learnt, as a task that is learnt for the
    first time does; columns that go off are not reset.
    """

    kind: Literal["xst"]
    columns: PositiveShare = 0.67
    learnt: PositiveShare | None = None
    modules: Modules = None

    title: ClassVar[str] = "XST"
    paper: ClassVar[str] = "Zhang et al., DATE 2022"

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.learnt is not None and self.learnt > self.columns:
            raise ValueError("learnt is a part of columns, so that it can't be larger")
        return self

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        masked = column_masks(trace, arch, self.modules, bits=1, kept=self.columns)
        share = self.columns if self.learnt is None else self.learnt
        programmed: list[Rewrite] = []
        weights = bits = 0
        for layer in mask_targets(trace, arch, self.modules, 1):
            programmed.append(Rewrite(layer.name, changed=share * changed_cells(layer, arch)))
            learnt = round(share * layer.parameters())
            weights += learnt
            bits += learnt * (layer.weight_bits or trace.precision.weight)
        return replace(
            masked,
            switch=(*programmed, *masked.switch),
            trained=weights,
            stored_bits=masked.stored_bits + bits,
        )
