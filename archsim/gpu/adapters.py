"""What a change of task costs on a GPU: copying an adapter in, and merging it into the weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from archsim.gpu.model import GPU, LaunchMode
from archsim.gpu.roofline import Kernel, Work, kernel
from archsim.gpu.tiles import Product


@dataclass(frozen=True)
class Transfer:
    """One copy from the host's memory to the GPU's."""

    bytes: int
    seconds: float
    joules: float


def adapter_load(gpu: GPU, size: int) -> Transfer:
    """Copy `size` bytes over the host link: latency + size / link rate.

    Energy is the board's: idle power, and memory power for as much of the bandwidth as the copy
    writes with. The host's energy is not in it.
    """
    seconds = gpu.link.latency + size / gpu.link.rate
    busy = size / gpu.memory.rate / seconds if seconds else 0.0
    return Transfer(size, seconds, gpu.power.watts(0.0, min(1.0, busy)) * seconds)


def adapter_merge(
    gpu: GPU,
    shapes: Iterable[tuple[int, int]],
    rank: int,
    precision: str = "bf16",
    launch: LaunchMode = "graph",
) -> list[Kernel]:
    """W += B A for each weight matrix, one kernel each (Hu et al., LoRA, ICLR 2022).

    shapes: (in, out) of each matrix; A is in x rank, B rank x out. A kernel does rank x in x out
    multiply-accumulates and in x out additions, reads W, A and B and writes W.
    """
    return [
        kernel(
            gpu,
            precision,
            (f"merge {number}",),
            Work(
                matrix=2.0 * rank * rows * columns,
                vector=float(rows * columns),
                elements=float(2 * rows * columns + rank * (rows + columns)),
                parts=(Product(rows, columns, rank),),
            ),
            launch=launch,
        )
        for number, (rows, columns) in enumerate(shapes)
    ]
