"""Linear probe: the model stays, a task learns a classifier on what it computes."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.head import with_classifier
from archsim.adaptation.method import Method, weight_bits
from archsim.arch.model import Architecture
from archsim.schema.ranges import Size
from archsim.trace.model import Trace


class LinearProbe(Method):
    """Only the last fully connected layer is trained and programmed.

    The usual baseline of transfer learning (Kornblith et al., CVPR 2019). classes: of a new
    classifier; without it the model's own is trained, or one of 2 classes if it has none.
    """

    kind: Literal["linear-probe"]
    classes: Size | None = None

    title: ClassVar[str] = "Linear probe"
    paper: ClassVar[str] = "Kornblith et al., CVPR 2019"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        probed, head = with_classifier(trace, self.classes)
        return Adapted(
            trace=probed,
            switch=reprogrammed([head], arch),
            trained=head.parameters(),
            stored_bits=weight_bits([head], trace),
            trainable=frozenset({head.name}),
        )
