"""AHWA-LoRA: analog tiles with frozen weights, adapters on a RISC-V cluster beside each tile."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.head import classifier
from archsim.adaptation.low_rank import adapters
from archsim.adaptation.method import Method, Modules
from archsim.adaptation.roles import is_adapter, module_of
from archsim.arch.model import Architecture
from archsim.components.cluster import Cluster
from archsim.schema.ranges import Size
from archsim.trace.model import Trace
from archsim.trace.operators import Linear


class AhwaLora(Method):
    """The cluster computes A and B for groups of tokens while the arrays take the next ones.

    Li et al., arXiv:2411.17367v3 (2025). Rank 8 on all linear layers but the classifier: 1.62 M
    values in MobileBERT, 1.63 M in its Table II, which adapts the embedding's convolution too.
    tokens: positions that one call of the cluster takes together, to balance its time with that of
    the arrays; the paper studies 8 to 128 and finds 8 best for arrays that take 512 ns. Adapters
    are as wide as the trace's weights, not FP16.
    """

    kind: Literal["ahwa-lora"]
    rank: Size = 8
    modules: Modules = None
    tokens: Size = 8

    title: ClassVar[str] = "AHWA-LoRA"
    paper: ClassVar[str] = "Li et al., arXiv:2411.17367"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        head = classifier(trace)
        usual = {
            module_of(layer.name)
            for layer in trace.layers
            if isinstance(layer, Linear) and layer is not head and not is_adapter(layer.name)
        }
        return adapters(
            trace,
            arch,
            self.rank,
            self.modules or tuple(sorted(usual)) or None,
            unit=Cluster,
            group=self.tokens,
        )
