"""What mapping hands on: a Program, and what its ids stand for."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.mapping.actions import ActionTable
from archsim.mapping.choice import Choice
from archsim.mapping.written import Written
from archsim.program import Program


@dataclass(frozen=True)
class OperationInfo:
    """What a pair of flows stands for.

    layers: the layer and the activations fused behind it; part: path of the component that
    computes; flows: ids of the computing flow and of the one that delivers its results; macs: of
    one inference; arrays: resource ids.
    """

    layers: tuple[str, ...]
    part: str
    flows: tuple[int, int]
    positions: int
    lanes: int
    tiles: int
    macs: int
    arrays: tuple[int, ...]


@dataclass(frozen=True)
class Turns:
    """Weights that take turns. By pass, the flows that load it and the operations that compute.

    banks: parts of the chip that passes alternate on; bits: loaded for the batch; wear: writes of
    the cell that is written most often, for the batch.
    """

    banks: int
    loads: list[list[int]]
    operations: list[list[OperationInfo]]
    bits: int
    wear: float


@dataclass(frozen=True)
class Mapped:
    """A Program with what its ids mean.

    resource_places: component path and place (tile, PE ...) of each resource; interval: seconds
    per inference that was aimed at; choice: how often operations stand there.
    """

    program: Program
    tick: float
    actions: ActionTable
    operations: list[OperationInfo]
    resource_places: list[tuple[object, ...]]
    chips: int
    arrays_total: int
    interval: float
    choice: Choice
    precision: tuple[int, int]  # weight and input bits of the trace
    written: Written  # by a task switch, if there is one
    turns: Turns | None = None

    def part(self, resource: int) -> str:
        """Path of the component that a resource is an instance of."""
        return str(self.resource_places[resource][0])
