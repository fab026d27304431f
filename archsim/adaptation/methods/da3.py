"""DA3: attention modules whose result is added to each block's, behind a frozen backbone."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.blocks import block_ends
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.head import classifier
from archsim.adaptation.insertion import insert_behind
from archsim.adaptation.method import Method, weight_bits
from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.schema.ranges import Size
from archsim.trace.layer import TensorShape, channels
from archsim.trace.model import Trace
from archsim.trace.operators import Activation, Elementwise, Layer, Linear, Move, Pool, Reduce


class DA3(Method):
    """Each block's result gets a channel and a spatial attention added; only these are learnt.

    Yang et al., DA3, CVPR workshops 2022, arXiv:2012.01362. Channel attention: mean over all
    positions, two linear layers with a ReLU between (C / reduction channels), sigmoid. Spatial
    attention: a linear layer to one channel, sigmoid; of maps it reads means over pool x pool
    positions, and its result is enlarged again. An addition needs no stored activation of the
    backbone, which is where the paper's smaller training memory comes from. The structure follows
    the abstract; reduction 16 is an assumption, taken from SE-Net, and so is pool. The gating that
    skips computation for easy inputs is not simulated. The classifier is trained too.
    """

    kind: Literal["da3"]
    reduction: Size = 16
    pool: Size = 1

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
        behind = {end: self._attention(end, trace.shapes[end]) for end in ends}
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

    def _attention(self, end: str, shape: TensorShape) -> list[Layer]:
        name = f"{end}.da3"
        width = channels(shape)
        thin = max(width // self.reduction, 1)
        spatial = self._spatial(name, end, shape)
        return [
            Reduce(op="reduce", name=f"{name}.mean", inputs=[end], function="mean"),
            _linear(f"{name}.thin", f"{name}.mean", width, thin),
            _function(f"{name}.relu", f"{name}.thin", "relu"),
            _linear(f"{name}.wide", f"{name}.relu", thin, width),
            _function(f"{name}.channel", f"{name}.wide", "sigmoid"),
            *spatial,
            _sum(f"{name}.add_channel", end, f"{name}.channel"),
            _sum(f"{name}.add_spatial", f"{name}.add_channel", spatial[-1].name),
        ]

    def _spatial(self, name: str, end: str, shape: TensorShape) -> list[Layer]:
        gate = _function(f"{name}.spatial", f"{name}.place", "sigmoid")
        if self.pool == 1 or len(shape) != 3:
            return [_linear(f"{name}.place", end, channels(shape), 1), gate]
        height, width = (min(self.pool, side) for side in shape[:2])
        return [
            Pool(op="pool", name=f"{name}.pool", inputs=[end], kernel=(height, width),
                 stride=(height, width), function="avg"),
            _linear(f"{name}.place", f"{name}.pool", channels(shape), 1),
            gate,
            Move(op="move", name=f"{name}.resize", inputs=[gate.name], function="resize",
                 shape=[*shape[:2], 1]),
        ]  # fmt: skip


def _linear(name: str, source: str, inner: int, outer: int) -> Linear:
    return Linear(op="linear", name=name, inputs=[source], in_features=inner, out_features=outer)


def _function(name: str, source: str, kind: Literal["relu", "sigmoid"]) -> Activation:
    return Activation(op="activation", name=name, inputs=[source], function=kind)


def _sum(name: str, left: str, right: str) -> Elementwise:
    return Elementwise(op="elementwise", name=name, inputs=[left, right], function="add")
