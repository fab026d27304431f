"""Learning to prune with LoRA: a task learns which channels to drop, and adapters for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import reprogrammed
from archsim.adaptation.low_rank import adapters
from archsim.adaptation.method import Method, Modules
from archsim.adaptation.pruning import prune_channels
from archsim.arch.model import Architecture
from archsim.schema.ranges import Size
from archsim.trace.model import Trace


class PruningLora(Method):
    """The model runs with fewer channels; its pruned layers and its adapters are programmed.

    Learning to Prune and Low-Rank Adaptation for Compact Language Model Deployment, 2025 (NSF
    public access repository, 10616373).
    ratio: share of the channels dropped where layers can shrink; 0.245 is the paper's average for
    RoBERTa-base on GLUE. Every task drops others, so a switch programs all pruned layers with
    what is left of the weights (of the cells, those that change), and the adapters A and B, which
    are in arrays. Kept per task: the adapters and one bit per channel, since the whole weights
    are in memory once. rank: as in LoRA (assumption).
    """

    kind: Literal["pruning-lora"]
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.245
    rank: Size = 8
    modules: Modules = None

    title: ClassVar[str] = "Pruning with LoRA"
    paper: ClassVar[str] = "Learning to Prune and Low-Rank Adaptation, 2025"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        pruned = prune_channels(trace, self.ratio)
        adapted = adapters(pruned.trace, arch, self.rank, self.modules)
        smaller = [layer for layer in pruned.trace.layers if layer.name in pruned.changed]
        return replace(
            adapted,
            switch=(*reprogrammed(smaller, arch), *adapted.switch),
            trained=adapted.trained + pruned.channels,
            stored_bits=adapted.stored_bits + pruned.channels,
        )
