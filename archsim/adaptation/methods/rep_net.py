"""Rep-Net: a small network beside the frozen backbone exchanges features with it."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.biases import bias_counts, bias_rewrites
from archsim.adaptation.blocks import block_ends, spread
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.head import classifier, with_classifier
from archsim.adaptation.insertion import insert_behind
from archsim.adaptation.method import Method, weight_bits, weight_layers
from archsim.arch.model import Architecture
from archsim.trace.layer import TensorShape, channels
from archsim.trace.model import Trace
from archsim.trace.operators import Activation, Conv2d, Elementwise, Layer, Linear, Move, Pool

DIVISOR = 8  # channels between the two convolutions are a multiple of this, as in the code
SMALL_MAP = 7  # up to this size the kernel is 3 x 3, as in the code


class RepNet(Method):
    """Modules read the backbone at regular intervals and add what they make to it further on.

    Yang et al., Rep-Net, CVPR 2022, after its public code: a module pools its input to half the
    size of its result, convolves it (kernel x kernel in two groups, then 1 x 1, ReLU between),
    enlarges the result and adds it to the output of the block; the first module reads the image.
    expand: channels in between, per input channel (the code has 1, and 1/4 noted for ResNet-50). On
    tokens, which the paper does not have, a module is two linear layers with a ReLU between,
    `token_expand` wide (both our assumption). The classifier is trained too, if the model has one,
    and with `biases` those of the backbone. All weights of the modules are in arrays.
    """

    kind: Literal["rep-net"]
    modules: Annotated[PositiveInt, Field(description="modules at most")] = 6
    kernel: PositiveInt = 5
    expand: Annotated[float, Field(gt=0)] = 1.0
    token_expand: Annotated[float, Field(gt=0)] = 0.125
    biases: bool = True
    classes: PositiveInt | None = None

    title: ClassVar[str] = "Rep-Net"
    paper: ClassVar[str] = "Yang et al., CVPR 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        base, head = trace, classifier(trace)
        if self.classes is not None:
            base, head = with_classifier(trace, self.classes)
        before, ends = block_ends(base)
        taps = [before] if before else []
        image = base.inputs[0]
        if len(image.shape) == 3 and image.name in _read(base):
            taps.insert(0, image.name)
        chain = [*taps[:1], *spread([*taps[1:], *ends], self.modules)]
        behind: dict[str, list[Layer]] = {}
        for number, (tap, end) in enumerate(pairwise(chain)):
            shapes = base.shapes[tap], base.shapes[end]
            behind[end] = self._module(f"rep{number}", tap, end, *shapes)
        adapted = insert_behind(base, behind)
        trained: list[Layer] = [new for added in behind.values() for new in added if new.stationary]
        if head is not None:
            trained.append(head)
        tuned = weight_layers(base) if self.biases else []
        counts = bias_counts(tuned, base)
        count = sum(counts.values())
        return Adapted(
            trace=adapted,
            switch=(*reprogrammed(trained, arch), *bias_rewrites(counts, trace)),
            trained=sum(layer.parameters() for layer in trained) + count,
            stored_bits=weight_bits(trained, trace) + count * trace.precision.weight,
            trainable=frozenset(layer.name for layer in trained),
            biases=frozenset(counts),
        )

    def _module(
        self, name: str, tap: str, end: str, before: TensorShape, after: TensorShape
    ) -> list[Layer]:
        if len(before) == len(after) == 3:
            layers, result = self._on_map(name, tap, before, after)
        else:
            layers, result = self._on_tokens(name, tap, before, after)
        add = Elementwise(op="elementwise", name=f"{name}.add", inputs=[end, result],
                          function="add")  # fmt: skip
        return [*layers, add]

    def _on_tokens(
        self, name: str, tap: str, before: TensorShape, after: TensorShape
    ) -> tuple[list[Layer], str]:
        inner, middle = channels(before), _middle(channels(before) * self.token_expand)
        return [
            Linear(op="linear", name=f"{name}.down", inputs=[tap], in_features=inner,
                   out_features=middle),
            Activation(op="activation", name=f"{name}.relu", inputs=[f"{name}.down"],
                       function="relu"),
            Linear(op="linear", name=f"{name}.up", inputs=[f"{name}.relu"], in_features=middle,
                   out_features=channels(after)),
        ], f"{name}.up"  # fmt: skip

    def _on_map(
        self, name: str, tap: str, before: TensorShape, after: TensorShape
    ) -> tuple[list[Layer], str]:
        height, width = (
            max(2 * a // max(b, 1), 1) for a, b in zip(before, after[:2], strict=False)
        )
        window = min(height, before[0]), min(width, before[1])
        inner, middle = channels(before), _middle(channels(before) * self.expand)
        kernel = min(self.kernel, 3) if after[0] <= SMALL_MAP else self.kernel
        edge = kernel // 2
        return [
            Pool(op="pool", name=f"{name}.pool", inputs=[tap], kernel=window, stride=window,
                 function="avg"),
            Conv2d(op="conv2d", name=f"{name}.conv1", inputs=[f"{name}.pool"],
                   kernel=(kernel, kernel), padding=(edge,) * 4, in_channels=inner,
                   out_channels=middle, groups=2 if inner % 2 == 0 else 1),
            Activation(op="activation", name=f"{name}.relu", inputs=[f"{name}.conv1"],
                       function="relu"),
            Conv2d(op="conv2d", name=f"{name}.conv2", inputs=[f"{name}.relu"], kernel=(1, 1),
                   in_channels=middle, out_channels=channels(after)),
            Move(op="move", name=f"{name}.resize", inputs=[f"{name}.conv2"], function="resize",
                 shape=list(after)),
        ], f"{name}.resize"  # fmt: skip


def _read(trace: Trace) -> set[str]:
    return {name for layer in trace.layers for name in layer.inputs}


def _middle(wanted: float) -> int:
    """Channels rounded to a multiple of DIVISOR, at least one of them."""
    return max(round(wanted / DIVISOR), 1) * DIVISOR
