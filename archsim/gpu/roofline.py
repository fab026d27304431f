"""Seconds and joules of one kernel: a roofline of tiles with a launch, and the power model.

Roofline: S. Williams, A. Waterman, D. Patterson, CACM 52(4), 2009. Power as idle plus a part
linear in utilisation: X. Fan, W.-D. Weber, L. A. Barroso, ISCA 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from archsim.gpu.model import BYTES, GPU, LaunchMode
from archsim.gpu.phase import Number, PhaseName
from archsim.gpu.tiles import Part

Bound = Literal["compute", "memory", "launch"]


@dataclass(frozen=True)
class Work:
    """What a kernel does: operations (two for a multiply-accumulate) and elements moved.

    matrix: in matrix products, at the rate of the precision; vector: others, at that of fp32;
    elements: read and written, each of the precision's width, of which `activations` pass through
    the cache where they fit into it; parts: how the products are cut, if that is known.
    """

    matrix: Number
    vector: Number
    elements: Number
    activations: Number = 0.0
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Kernel:
    """One kernel, launched `launches` times; seconds, joules, ops and bytes of all launches.

    seconds = max(compute_s, memory_s) + launch_s for each launch; bound: the largest of the three.
    launch_s is the latency of a start and, launched one by one, what is left of the host's time.
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
    launch: LaunchMode = "graph",
) -> Kernel:
    """Time and energy of `launches` launches.

    work: of each launch, or arrays of shape (launches,) where launches differ. Power is
    idle + (busy - idle) x min(1, compute share + memory_share x memory share), the shares those of
    the launch's time in which arithmetic at its full rate, and memory, would be busy. Raises
    InputError for a precision that the GPU has not.
    """
    rate, vector_rate = gpu.arithmetic(precision).rate, gpu.vector_rate(precision)
    busy = work.matrix / rate + work.vector / vector_rate
    compute = busy
    if work.parts:
        apart = work.vector - sum(part.vector_ops for part in work.parts)
        compute = sum(part.seconds(gpu, precision) for part in work.parts) + apart / vector_rate
    width = BYTES[precision]
    moved = work.elements * width
    memory = _memory_seconds(gpu, moved, np.multiply(work.activations, width))
    active = np.maximum(compute, memory)
    seconds = active + gpu.launch.latency
    if launch == "host":  # the host may be late; it never waits for the GPU
        seconds = np.maximum(seconds, gpu.launch.host)
    # min(1, share) x seconds, without dividing by a time that may be 0
    drawn = np.minimum(seconds, busy + gpu.power.memory_share * memory)
    joules = gpu.power.idle * seconds + (gpu.power.busy - gpu.power.idle) * drawn
    return Kernel(
        layers,
        phase,
        launches,
        _total(work.matrix + work.vector, launches),
        _total(moved, launches),
        _total(compute, launches),
        _total(memory, launches),
        _total(seconds - active, launches),
        _total(seconds, launches),
        _total(joules, launches),
    )


def _memory_seconds(gpu: GPU, moved: Number, activations: Number) -> Number:
    """Time of the traffic: activations at the cache's rate where all of them fit into it."""
    fit = np.asarray(activations) * 8 <= gpu.cache.capacity
    fast = np.where(fit, activations, 0.0)
    taken = (moved - fast) / gpu.memory.rate + fast / max(gpu.cache.rate, gpu.memory.rate)
    return taken if np.ndim(taken) else float(taken)


def _total(value: Number, launches: int) -> float:
    return float(np.sum(value)) if np.ndim(value) else float(value) * launches
