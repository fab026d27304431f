"""What the PyTorch way makes of an architecture, beside what torch counts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from architectures.case import Case
from archsim.errors import InputError
from archsim.trace.model import Trace
from archsim.trace.operators import MatMul

HEADER = """# Models that were read

Made by `python tests/test_architectures.py`: small models with random weights (seed 0), most of
them by a configuration of transformers, each through `archsim.trace_module`. Parameters are all
that the module has learnt, tied ones once; they equal the module's own count. MACs equal those of
`torch.utils.flop_counter` less the products with positions that a mask hides, which torch counts.
What is refused says why; nothing is read in part.

| Architecture | PyTorch | Layers | Parameters | MACs | hidden by masks |
|---|---|---:|---:|---:|---:|
"""


@dataclass(frozen=True)
class Reading:
    """The trace, or why there is none; the module's own parameters and MACs."""

    trace: Trace | None
    why: str
    parameters: int
    macs: int


def read(case: Case) -> Reading:
    """Build a model with seed 0 and trace it; InputError becomes the reason."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from archsim.trace.pytorch import trace_module

    torch.manual_seed(0)
    module, inputs = case.build(), case.inputs()
    trace, why = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trace = trace_module(module, inputs)
        except InputError as fault:
            why = str(fault)
        counter = FlopCounterMode(display=False)
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # one operator that is not counted
        with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH), counter:
            call(module, inputs)
        torch.backends.mha.set_fastpath_enabled(fast)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Reading(trace, why, parameters, counter.get_total_flops() // 2)


def call(module: Any, inputs: Any) -> Any:
    """The module's own result."""
    if isinstance(inputs, dict):
        return module(**inputs)
    return module(*(inputs if isinstance(inputs, tuple) else (inputs,)))


def by_hand(trace: Trace) -> int:
    """MACs with positions that masks hide: the whole square of every product less its pairs."""
    hidden = 0
    for layer in trace.layers:
        if isinstance(layer, MatMul):
            rows = 1
            for extent in trace.shapes[layer.name][:-1]:
                rows *= extent
            whole = rows * layer.span * layer.per_token
            hidden += whole - layer.macs(trace.input_shapes(layer), trace.shapes[layer.name])
    return hidden


def table(rows: list[tuple[str, Reading]]) -> str:
    """The document."""
    lines = []
    for name, found in rows:
        if found.trace is None:
            lines.append(f"| {name} | refused: {_short(found.why)} | | {found.parameters:,} | | |")
            continue
        lines.append(
            f"| {name} | read | {len(found.trace.layers)} "
            f"| {found.trace.parameters(biases=True):,} | {found.trace.macs():,} "
            f"| {by_hand(found.trace):,} |"
        )
    read_ones = sum(found.trace is not None for _, found in rows)
    return HEADER + "\n".join(lines) + f"\n\n{read_ones} of {len(rows)} are read.\n"


def _short(why: str) -> str:
    text = why.partition("no rule: ")[2] or why
    return text.partition(" (")[0].replace("|", "/")[:80]
