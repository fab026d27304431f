"""DA3: attention modules whose result is added to each block's, behind a frozen backbone."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.blocks import block_ends
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.head import classifier
from archsim.adaptation.insertion import insert_behind
from archsim.adaptation.method import Method, weight_bits
from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.trace.layer import channels
from archsim.trace.model import Trace
from archsim.trace.operators import Activation, Elementwise, Layer, Linear, Reduce


class DA3(Method):
    """Each block's result gets a channel and a spatial attention added; only these are learnt.

    Yang et al., DA3, CVPR workshops 2022, arXiv:2012.01362. Channel attention: mean over all
    positions, two linear layers with a ReLU between (C / reduction channels), sigmoid. Spatial
    attention: a linear layer to one channel, sigmoid. An addition needs no stored activation of
    the backbone, which is where the paper's smaller training memory comes from. The structure
    follows the abstract; reduction 16 is an assumption, taken from SE-Net. The gating that skips
    computation for easy inputs is not simulated. The classifier is trained too.
    """

    kind: Literal["da3"]
    reduction: PositiveInt = 16

    title: ClassVar[str] = "DA3"
    paper: ClassVar[str] = "Yang et al., CVPRW 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        if trace.generation is not None:
            raise InputError(
                f"'{trace.name}' generates tokens one by one; DA3's channel attention needs the "
                "mean over all of them.",
                fix="Use a model that reads its whole input at once.",
            )
        _, ends = block_ends(trace)
        behind = {end: self._attention(end, channels(trace.shapes[end])) for end in ends}
        trained: list[Layer] = [new for added in behind.values() for new in added if new.stationary]
        head = classifier(trace)
        if head is not None:
            trained.append(head)
        return Adapted(
            trace=insert_behind(trace, behind),
            switch=reprogrammed(trained, arch),
            trained=sum(layer.parameters() for layer in trained),
            stored_bits=weight_bits(trained, trace),
            trainable=frozenset(layer.name for layer in trained),
        )

    def _attention(self, end: str, width: int) -> list[Layer]:
        name, thin = f"{end}.da3", max(width // self.reduction, 1)

        def linear(part: str, source: str, inner: int, outer: int) -> Linear:
            return Linear(op="linear", name=f"{name}.{part}", inputs=[source], in_features=inner,
                          out_features=outer)  # fmt: skip

        def function(part: str, source: str, kind: Literal["relu", "sigmoid"]) -> Activation:
            return Activation(op="activation", name=f"{name}.{part}", inputs=[f"{name}.{source}"],
                              function=kind)  # fmt: skip

        def add(part: str, left: str, right: str) -> Elementwise:
            return Elementwise(op="elementwise", name=f"{name}.{part}",
                               inputs=[left, f"{name}.{right}"], function="add")  # fmt: skip

        return [
            Reduce(op="reduce", name=f"{name}.mean", inputs=[end], function="mean"),
            linear("thin", f"{name}.mean", width, thin),
            function("relu", "thin", "relu"),
            linear("wide", f"{name}.relu", thin, width),
            function("channel", "wide", "sigmoid"),
            linear("place", end, width, 1),
            function("spatial", "place", "sigmoid"),
            add("add_channel", end, "channel"),
            add("add_spatial", f"{name}.add_channel", "spatial"),
        ]
