"""Seconds and joules of one kernel: the roofline with a launch overhead, and the power model.

Roofline: S. Williams, A. Waterman, D. Patterson, CACM 52(4), 2009. Power as idle plus a part
linear in utilisation: X. Fan, W.-D. Weber, L. A. Barroso, ISCA 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from archsim.gpu.model import BYTES, GPU
from archsim.gpu.phase import Number, PhaseName

Bound = Literal["compute", "memory", "launch"]


@dataclass(frozen=True)
class Work:
    """What a kernel does: operations (two for a multiply-accumulate) and elements moved.

    matrix: in matrix products, at the rate of the precision; vector: others, at that of fp32;
    elements: read from and written to the GPU's memory, each of the precision's width.
    """

    matrix: Number
    vector: Number
    elements: Number


@dataclass(frozen=True)
class Kernel:
    """One kernel, launched `launches` times; seconds, joules, ops and bytes of all launches.

    seconds = max(compute_s, memory_s) + launch_s for each launch; bound: the largest of the three.
    """

    layers: tuple[str, ...]
    phase: PhaseName
    launches: int
    ops: float
    bytes: float
    compute_s: float
    memory_s: float
    launch_s: float
    seconds: float
    joules: float

    @property
    def layer(self) -> str:
        """The layer that the others are fused to."""
        return self.layers[0]

    @property
    def bound(self) -> Bound:
        """What takes most of the time."""
        if self.launch_s > max(self.compute_s, self.memory_s):
            return "launch"
        return "compute" if self.compute_s > self.memory_s else "memory"


def kernel(
    gpu: GPU,
    precision: str,
    layers: tuple[str, ...],
    work: Work,
    *,
    phase: PhaseName = "whole",
    launches: int = 1,
) -> Kernel:
    """Time and energy of `launches` launches.

    work: of each launch, or arrays of shape (launches,) where launches differ. Power is
    idle + (busy - idle) x min(1, compute share + memory_share x memory share), the shares those of
    the launch's time in which arithmetic and memory are busy. Raises InputError for a precision
    that the GPU has not.
    """
    rate = gpu.arithmetic(precision).rate
    vector_rate = gpu.compute["fp32"].rate if "fp32" in gpu.compute else rate
    compute = work.matrix / rate + work.vector / vector_rate
    moved = work.elements * BYTES[precision]
    memory = moved / gpu.memory.rate
    seconds = np.maximum(compute, memory) + gpu.launch.overhead
    # min(1, share) x seconds, without dividing by a time that may be 0
    active = np.minimum(seconds, compute + gpu.power.memory_share * memory)
    joules = gpu.power.idle * seconds + (gpu.power.busy - gpu.power.idle) * active
    return Kernel(
        layers,
        phase,
        launches,
        _total(work.matrix + work.vector, launches),
        _total(moved, launches),
        _total(compute, launches),
        _total(memory, launches),
        gpu.launch.overhead * launches,
        _total(seconds, launches),
        _total(joules, launches),
    )


def _total(value: Number, launches: int) -> float:
    return float(np.sum(value)) if np.ndim(value) else float(value) * launches
