"""LoRA with its adapters in the arrays: A and B are programmed for each task."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.low_rank import adapters
from archsim.adaptation.method import Method, Modules
from archsim.arch.model import Architecture
from archsim.schema.ranges import Size
from archsim.trace.model import Trace


class LoraRram(Method):
    """A and B of each adapted layer are layers of their own in arrays, written with verify.

    Hu et al., LoRA, ICLR 2022: rank 8 on the query and value projections is among the settings of
    its section 7.1.
    """

    kind: Literal["lora-rram"]
    rank: Size = 8
    modules: Modules = None

    title: ClassVar[str] = "LoRA in arrays"
    paper: ClassVar[str] = "Hu et al., ICLR 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        return adapters(trace, arch, self.rank, self.modules)
