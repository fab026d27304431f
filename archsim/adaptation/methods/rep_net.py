"""Rep-Net: a small network beside the frozen backbone exchanges features with it."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.biases import bias_counts, bias_rewrites
from archsim.adaptation.blocks import block_ends, spread
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.head import classifier, with_classifier
from archsim.adaptation.insertion import insert_behind
from archsim.adaptation.method import Method, weight_bits, weight_layers
from archsim.arch.model import Architecture
from archsim.schema.ranges import Ratio, Size
from archsim.trace.layer import TensorShape, channels, positions
from archsim.trace.model import Trace
from archsim.trace.operators import Activation, Conv2d, Elementwise, Layer, Linear, Move, Pool

DIVISOR = 8  # channels between the two convolutions are a multiple of this, as in the code
SMALL_MAP = 7  # up to this size the kernel is 3 x 3, as in the code


class RepNet(Method):
    """Modules beside single blocks of the backbone: each reads what its block reads.

    Yang et al., Rep-Net, CVPR 2022, after its public code (ASU-ESIC-FAN-Lab/RepNet, ProgramNet): a
    module averages its input over 2 x 2, convolves it (kernel x kernel in two groups, then 1 x 1,
    ReLU between), enlarges the result where its block keeps the size of the map, and adds it to the
    output of the block. The blocks are those of several layers that change the number of channels,
    the last `modules` of them; where there are fewer, the last block and then blocks at regular
    intervals. The first module reads the image, pooled to half the size of its result. expand:
    channels in between, per input channel (the code has 1, and 1/4 noted for ResNet-50). On tokens,
    which the paper does not have, a module is two linear layers with a ReLU between,
    `token_expand` wide, from the end of one interval of blocks to that of the next (all our
    assumption); between tensors of different lengths, an encoder's and a decoder's, there is none.
    The classifier is trained too, if the model has one, and with `biases` those of the
    backbone. All weights of the modules are in arrays.
    """

    kind: Literal["rep-net"]
    modules: Annotated[Size, Field(description="modules at most")] = 6
    kernel: Size = 5
    expand: Ratio = 1.0
    token_expand: Ratio = 0.125
    biases: bool = True
    classes: Size | None = None

    title: ClassVar[str] = "Rep-Net"
    paper: ClassVar[str] = "Yang et al., CVPR 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        base, head = trace, classifier(trace)
        if self.classes is not None:
            base, head = with_classifier(trace, self.classes)
        behind: dict[str, list[Layer]] = {}
        for number, (tap, end) in enumerate(self._places(base)):
            behind[end] = self._module(f"rep{number}", tap, end, base)
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

    def _places(self, trace: Trace) -> list[tuple[str, str]]:
        """What each module reads, and behind what its result is added."""
        before, ends = block_ends(trace)
        image = trace.inputs[0]
        if len(image.shape) != 3:
            places = pairwise([*([before] if before else []), *spread(ends, self.modules)])
            return [
                (tap, end)
                for tap, end in places
                if positions(trace.shapes[tap]) == positions(trace.shapes[end])
            ]
        blocks = list(pairwise([before or image.name, *ends]))
        chosen = _beside(trace, blocks, self.modules)
        if any(image.name in layer.inputs for layer in trace.layers):
            chosen[0] = image.name, chosen[0][1]
        return chosen

    def _module(self, name: str, tap: str, end: str, trace: Trace) -> list[Layer]:
        before, after = trace.shapes[tap], trace.shapes[end]
        if len(before) == len(after) == 3:
            image = tap == trace.inputs[0].name
            layers, result = self._on_map(name, tap, before, after, image)
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
        self, name: str, tap: str, before: TensorShape, after: TensorShape, image: bool
    ) -> tuple[list[Layer], str]:
        height, width = (
            min(_pooled(a, b) if image else 2, a)
            for a, b in zip(before[:2], after[:2], strict=True)
        )
        inner, middle = channels(before), _middle(channels(before) * self.expand)
        kernel = min(self.kernel, 3) if after[0] <= SMALL_MAP else self.kernel
        edge = kernel // 2
        return [
            Pool(op="pool", name=f"{name}.pool", inputs=[tap], kernel=(height, width),
                 stride=(height, width), function="avg"),
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


def _pooled(read: int, made: int) -> int:
    """Positions along a side that are averaged so that half as many remain as the result has."""
    return max(2 * read // max(made, 1), 1)


def _beside(trace: Trace, blocks: list[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """The last `most` blocks that change the number of channels, filled up with others.

    One convolution alone is no block, unless the model has no others.
    """
    place = {layer.name: index for index, layer in enumerate(trace.layers)}
    weights = [layer.stationary for layer in trace.layers]
    several = [
        block for block in blocks
        if sum(weights[place.get(block[0], -1) + 1 : place[block[1]] + 1]) > 1
    ]  # fmt: skip
    blocks = several or blocks
    changed = [b for b in blocks if channels(trace.shapes[b[0]]) != channels(trace.shapes[b[1]])]
    chosen = changed[-most:]
    names = [end for _, end in blocks]
    for end in [names[-1], *spread(names, most)]:
        block = blocks[names.index(end)]
        if len(chosen) < most and block not in chosen:
            chosen.append(block)
    return sorted(chosen, key=blocks.index)


def _middle(wanted: float) -> int:
    """Channels rounded to a multiple of DIVISOR, at least one of them."""
    return max(round(wanted / DIVISOR), 1) * DIVISOR
