"""LoRAFusion: a frozen pool of adapters in the arrays; a task learns how to mix them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.insertion import insert_behind
from archsim.adaptation.low_rank import low_rank_targets
from archsim.adaptation.method import Method, Modules, adapts, block_of
from archsim.arch.model import Architecture
from archsim.learning.lora import fusion_parameters
from archsim.mapping.written import Rewrite
from archsim.schema.ranges import Size
from archsim.trace.model import Trace
from archsim.trace.operators import Activation, Elementwise, Layer, Linear


class LoRAFusion(Method):
    """K adapters per layer stand side by side; each task scales their results and the sum.

    Guo et al., LoRAFusion, GLSVLSI 2025, doi:10.1145/3716368.3735213; pool, rank and modules as in
    its public code. Arrays hold the A of all K adapters as one matrix (in x K r) and the B as
    another (K r x out), programmed once. A task brings K coefficients per block and a magnitude
    per output, kept in the tile's buffer; reading them there is not billed. The code mixes the A
    and the B of the pool separately, here each adapter's own product is weighted.
    """

    kind: Literal["lorafusion"]
    pool: Size = 20
    rank: Size = 16
    modules: Modules = None

    title: ClassVar[str] = "LoRAFusion"
    paper: ClassVar[str] = "Guo et al., GLSVLSI 2025"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        layers = low_rank_targets(trace, self.rank, self.modules)
        behind = {layer.name: self._pool(layer) for layer in layers}
        blocks = {block_of(layer.name) or layer.name for layer in layers}
        trained = fusion_parameters(
            [layer.out_features for layer in layers], self.pool, len(blocks)
        )
        arrays = [new.name for added in behind.values() for new in added if new.stationary]
        width = trace.precision.weight
        switch: list[Rewrite] = []
        for layer in layers:
            first, _, _, add, _ = (new.name for new in behind[layer.name])
            switch.append(Rewrite(first, "buffer", bits=self.pool * width))
            switch.append(Rewrite(add, "buffer", bits=layer.out_features * width))
        return Adapted(
            trace=insert_behind(trace, behind),
            switch=tuple(switch),
            once=tuple(Rewrite(name) for name in arrays),
            trained=trained,
            stored_bits=trained * width,
            trainable=frozenset(),
            adapts=adapts(trace, [layer.name for layer in layers]),
            biases=frozenset(arrays),  # the gradient comes to both results, not to the cells
        )

    def _pool(self, layer: Linear) -> Sequence[Layer]:
        name, inner = layer.name, self.pool * self.rank
        return [
            Linear(op="linear", name=f"{name}.pool_a", inputs=layer.inputs,
                   in_features=layer.in_features, out_features=inner),
            Activation(op="activation", name=f"{name}.coefficients", inputs=[f"{name}.pool_a"],
                       function="scale"),
            Linear(op="linear", name=f"{name}.pool_b", inputs=[f"{name}.coefficients"],
                   in_features=inner, out_features=layer.out_features),
            Elementwise(op="elementwise", name=f"{name}.pool_add",
                        inputs=[name, f"{name}.pool_b"], function="add"),
            Activation(op="activation", name=f"{name}.magnitude", inputs=[f"{name}.pool_add"],
                       function="scale"),
        ]  # fmt: skip
