"""What a method makes of a trained model: the trace that runs, and what a new task writes."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.mapping.placement import AS_USUAL, Placement
from archsim.mapping.written import Rewrite
from archsim.trace.model import Trace


@dataclass(frozen=True)
class Adapted:
    """A model prepared by a method for one chip.

    trace: what runs at inference; placement: where its new parts stand; switch: what each new task
    writes; once: what is written a single time, before the first task; trained: values that a task
    learns; stored_bits: what must be kept for each task, to switch back to it; trainable: layers of
    `trace` whose weights, or a mask over them, are learnt; biases: layers whose biases alone are;
    adapts: which layers got adapters, in words.
    """

    trace: Trace
    switch: tuple[Rewrite, ...]
    trained: int
    stored_bits: int
    trainable: frozenset[str]
    biases: frozenset[str] = frozenset()
    once: tuple[Rewrite, ...] = ()
    placement: Placement = AS_USUAL
    adapts: str = ""
