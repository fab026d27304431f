"""MobileTL: the last inverted residual blocks of a mobile network are trained, cheaply."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.biases import bias_counts, bias_rewrites
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.method import Method, block_of, weight_bits, weight_layers
from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.schema.ranges import Size
from archsim.trace.model import Trace
from archsim.trace.operators import Conv2d


class MobileTL(Method):
    """Convolutions of the last blocks and what follows are trained; of the norms, the shifts.

    Chiang et al., MobileTL, AAAI 2023, arXiv:2212.03246. blocks: inverted residual blocks trained,
    counted from the output; 5 is the paper's case for MobileNetV3. Norms are folded into the
    convolutions of a trace, so their shifts are biases, and the scale of each block's last norm is
    part of its weights. The backward pass of an activation needs one bit per element, as the paper
    approximates it; for hard-swish, whose values learning_work keeps, the memory is too high.
    """

    kind: Literal["mobiletl"]
    blocks: Size = 5

    title: ClassVar[str] = "MobileTL"
    paper: ClassVar[str] = "Chiang et al., AAAI 2023"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        inverted = list(dict.fromkeys(
            block_of(layer.name) or layer.name
            for layer in trace.layers
            if isinstance(layer, Conv2d) and layer.groups == layer.in_channels > 1
        ))  # fmt: skip
        if not inverted:
            raise InputError(
                f"'{trace.name}' has no inverted residual blocks (no depthwise convolution).",
                fix="Use mobiletl with a mobile network, or another method.",
            )
        if self.blocks > len(inverted):
            raise InputError(
                f"'{trace.name}' has {len(inverted)} inverted residual blocks, not {self.blocks}.",
                fix=f"Use at most {len(inverted)} blocks.",
            )
        first = inverted[-self.blocks]
        layers = weight_layers(trace)
        start = next(i for i, new in enumerate(layers) if (block_of(new.name) or new.name) == first)
        tuned = layers[start:]
        shifts = bias_counts(tuned, trace)
        count = sum(shifts.values())
        return Adapted(
            trace=trace,
            switch=(*reprogrammed(tuned, arch), *bias_rewrites(shifts, trace)),
            trained=sum(layer.parameters() for layer in tuned) + count,
            stored_bits=weight_bits(tuned, trace) + count * trace.precision.weight,
            trainable=frozenset(layer.name for layer in tuned),
            biases=frozenset(shifts),
        )
