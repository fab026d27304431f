"""A GPU as its YAML describes it: arithmetic, memory, host link, kernel launch and power."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from archsim.components.base import ASSUMPTION
from archsim.errors import InputError, nearest
from archsim.schema import Model
from archsim.schema.ranges import PositiveShare, Share, Size
from archsim.schema.units import POSITIVE, Capacity, DataRate, Duration, OperationRate, Power

GPU_VERSION: Final = 2
LaunchMode = Literal["graph", "host"]
"""Kernels launched as one graph, or one by one by the host."""
Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8"]
BYTES: Final[dict[str, int]] = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}
"""Bytes of one element; tf32 rounds only inside the multipliers."""


Efficiency = PositiveShare


class Sourced(Model):
    """Numbers that say where they come from."""

    source: Annotated[
        str, Field(description="where the numbers come from; 'assumption' if nowhere")
    ] = ASSUMPTION
    sources: Annotated[
        dict[str, str], Field(description="sources of single fields, where they differ")
    ] = {}


class Arithmetic(Sourced):
    """Dense arithmetic at one precision."""

    peak: Annotated[OperationRate, POSITIVE]
    efficiency: Annotated[Efficiency, Field(description="main loop of a large tile / peak")]

    @property
    def rate(self) -> float:
        """op/s in the main loop of a large GEMM's tiles."""
        return self.peak * self.efficiency


class Processors(Sourced):
    """The streaming multiprocessors, each of which works on one block at a time."""

    count: Size
    tile: Annotated[Duration, Field(description="of a block beside its arithmetic: fill, drain")]


class Cache(Sourced):
    """The last-level cache: activations that fit pass from kernel to kernel through it."""

    capacity: Annotated[Capacity, POSITIVE]
    bandwidth: Annotated[DataRate, POSITIVE]
    efficiency: Efficiency

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bandwidth * self.efficiency / 8


class Memory(Sourced):
    """The GPU's own memory."""

    capacity: Annotated[Capacity, POSITIVE]
    bandwidth: Annotated[DataRate, POSITIVE]
    efficiency: Annotated[Efficiency, Field(description="best streaming kernel / bandwidth")]

    @property
    def rate(self) -> float:
        """Bytes a second that a streaming kernel reaches."""
        return self.bandwidth * self.efficiency / 8


class Link(Sourced):
    """The way from the host's memory to the GPU's, in one direction."""

    bandwidth: Annotated[DataRate, POSITIVE]
    efficiency: Efficiency
    latency: Annotated[Duration, Field(description="of one transfer, before its first byte")]

    @property
    def rate(self) -> float:
        """Bytes a second of a long transfer."""
        return self.bandwidth * self.efficiency / 8


class Launch(Sourced):
    """What starting a kernel costs.

    latency: from the end of the kernel before until this one's first block works, and its end;
    host: time between two launches of the host, where it launches kernels one by one.
    """

    latency: Duration
    host: Duration


class Band(Sourced):
    """How far times are from measurements: the worst relative error of those compared."""

    time: Annotated[Share, Field(description="worst error of compared times")]


class PowerModel(Sourced):
    """Watts of the whole board.

    idle: with a CUDA context and no kernel running; busy: at the rate of a large GEMM;
    memory_share: part of busy - idle that is drawn at full memory bandwidth alone.
    """

    idle: Power
    busy: Annotated[Power, POSITIVE]
    memory_share: Share

    def watts(self, compute: float, memory: float) -> float:
        """Power at these shares (0 to 1) of the reachable arithmetic rate and bandwidth."""
        return self.idle + (self.busy - self.idle) * min(1.0, compute + self.memory_share * memory)


class GPU(Model):
    """A GPU as described in YAML."""

    archsim_gpu: Annotated[Literal[2], Field(description="format version")]
    name: str
    description: str = ""
    references: Annotated[
        dict[str, str], Field(description="short names that sources use, with the full citation")
    ] = {}
    compute: Annotated[dict[Precision, Arithmetic], Field(min_length=1)]
    processors: Processors
    cache: Cache
    memory: Memory
    link: Link
    launch: Launch
    power: PowerModel
    band: Band

    def vector_rate(self, precision: str) -> float:
        """op/s outside the matrix units: those of fp32, or of `precision` where there is none."""
        return (self.compute["fp32"] if "fp32" in self.compute else self.arithmetic(precision)).rate

    def arithmetic(self, precision: str) -> Arithmetic:
        """Rates at a precision; InputError if the GPU has no arithmetic of it."""
        known: dict[str, Arithmetic] = {str(name): rate for name, rate in self.compute.items()}
        if precision not in known:
            raise InputError(
                f"{self.name} has no {precision} arithmetic.", None, nearest(precision, known)
            )
        return known[precision]

    def parts(self) -> dict[str, Sourced]:
        """Blocks of numbers by dotted path, in the order of the file."""
        rates: dict[str, Sourced] = {f"compute.{name}": rate for name, rate in self.compute.items()}
        blocks: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("processors", "cache", "memory", "link", "launch", "power", "band")
        }
        return rates | blocks
