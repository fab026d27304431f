"""HaLoRA: frozen weights in RRAM, low-rank adapters in SRAM branches beside the tiles."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.low_rank import adapters
from archsim.adaptation.method import Method, Modules
from archsim.arch.model import Architecture
from archsim.components.sram_lora_branch import SramLoraBranch
from archsim.schema.ranges import Size
from archsim.trace.model import Trace

USUAL = ("query", "key", "value", "up", "down")


class HaLoRA(Method):
    """A and B of each adapted layer are computed in the SRAM branch while its arrays work.

    Wu et al., HaLoRA, arXiv:2502.19747 (2025; ACM TODAES 2026). Rank 4 on query, key, value, up
    and down, as in its section 4.1: 0.15 % of LLaMA-3.2-1B. The noise of the cells, which the
    paper trains against, is not simulated.
    """

    kind: Literal["halora"]
    rank: Size = 4
    modules: Modules = None

    title: ClassVar[str] = "HaLoRA"
    paper: ClassVar[str] = "Wu et al., arXiv:2502.19747"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        return adapters(trace, arch, self.rank, self.modules, usual=USUAL, unit=SramLoraBranch)
