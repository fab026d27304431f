"""Edges between the flows of a mapped trace: data, buffers that give back-pressure, own results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.components.register import Register
from archsim.mapping.buffers import credit_table
from archsim.mapping.graph import Feed, Operation
from archsim.mapping.mapped import OperationInfo
from archsim.mapping.needs import Need
from archsim.mapping.plan import Plan
from archsim.program import ProgramBuilder
from archsim.trace import operators as op
from archsim.trace.generation import last_needed
from archsim.trace.model import Generation, Trace


@dataclass
class Dependencies:
    """Writes edges.

    infos: the flows of each operation of the plan, in its order; stores: by operation that reads a
    stored tensor, the flow that writes it; producers: of the operations that stored tensors come
    from, which may be another plan's.
    """

    arch: Architecture
    trace: Trace
    plan: Plan
    infos: list[OperationInfo]
    stores: dict[int, int]
    builder: ProgramBuilder
    batch: int
    producers: Mapping[int, OperationInfo]

    def write(self) -> None:
        """All edges of the trace."""
        for operation in self.plan.operations:
            self._of(operation)
            if operation.index in self.stores:
                self._stored(operation, self.stores[operation.index])
        if self.trace.generation is not None:
            self._generation(self.trace.generation)

    def _stored(self, operation: Operation, written: int) -> None:
        """A stored tensor is written as it is made, and read once it is written."""
        assert operation.stored is not None  # it is in the list because of that
        producer, count = self.producers[operation.stored], operation.positions
        group = -(-count // producer.positions)  # positions that its producer makes together
        self.builder.depend(
            written,
            producer.flows[1],
            np.arange(-(-count // group)),
            period=count,
            repeat=group,
            step=producer.positions,
            name="stored",
        )
        self.builder.depend(self.infos[operation.index].flows[0], written, name="stored")

    def _generation(self, generation: Generation) -> None:
        """A generated token is the input of the next position."""
        names = {op.name: op for op in self.plan.operations}
        source = names[generation.source]
        prompt = generation.prompt * generation.sequences
        for layer in self.trace.layers:
            if not isinstance(layer, op.Embedding):
                continue
            needed = last_needed(self.trace, generation.target, layer.name)
            if needed.max() >= prompt:
                target = names[layer.name]
                self.builder.depend(
                    self.infos[target.index].flows[0],
                    self.infos[source.index].flows[1],
                    np.maximum(needed - prompt, -1),
                    period=target.positions,
                    step=source.positions,
                    name="generation",
                )

    def _of(self, operation: Operation) -> None:
        for feed in operation.feeds:
            self._data_edge(operation, feed)
            if not operation.off_chip:  # the host keeps ids that wait for their rows
                self._credit_edge(operation, feed)
        if operation.off_chip:
            return
        need = self.plan.needs[operation.index]
        compute, results = self.infos[operation.index].flows
        held, stored = self._vectors_held(operation, need)
        depend = self.builder.depend
        depend(results, compute, name="results")
        if operation.recurrent:  # not across inferences: each begins with a state of zeros
            steps = np.arange(operation.positions) - 1
            steps[0] = -2
            count = operation.positions
            depend(compute, results, steps, period=count, step=count, name="last step")
        for parent, vectors, name in (
            (compute, held, "input registers"),
            (results, held + stored, "output registers"),
        ):
            if vectors * need.lanes < operation.positions * self.batch:
                depend(compute, parent, [-vectors * need.lanes], name=name)

    def _vectors_held(self, operation: Operation, need: Need) -> tuple[int, int]:
        """Vectors that a lane has in hand, and results that wait behind it.

        In hand: the one that the arrays work on and those that fit the input register besides (a
        digital unit fetches the next operands while it works). Behind: one in the output register
        of the PE and those that fit the tile's.
        """
        held = 2
        if need.weights is not None:
            register = roles(self.arch.chip.tile.pe).input_register
            most = max(pe.input_elements for pe in need.pes) * need.input_bits
            held = 1 + max(int(register.capacity) // most, 1)
        found = self.arch.chip.tile.find(Register, side="output")
        room = int(found[1].capacity) if found else 0
        return held, 1 + room // need.result_bits

    def _data_edge(self, operation: Operation, feed: Feed) -> None:
        last, size_in = feed.reach.last, self.plan.operations[feed.producer].positions
        depend = self.builder.depend
        child = self.infos[operation.index].flows[0]
        parent, name = self.infos[feed.producer].flows[1], "data"
        if len(last) == size_in and np.array_equal(last, np.arange(size_in)):
            depend(child, parent, name=name)
            return
        constant = bool((last == last[0]).all())
        depend(
            child,
            parent,
            last[:1] if constant else last,
            period=len(last),
            repeat=len(last) if constant else 1,
            step=size_in,
            name=name,
        )

    def _credit_edge(self, operation: Operation, feed: Feed) -> None:
        size_in = self.plan.operations[feed.producer].positions
        slots = self.plan.slots[operation.index, feed.which]
        if slots >= size_in * self.batch:
            return
        self.builder.depend(
            self.infos[feed.producer].flows[0],
            self.infos[operation.index].flows[0],
            credit_table(feed.reach, size_in, operation.positions, slots),
            period=size_in,
            step=operation.positions,
            name=f"buffer of {slots}",
        )
