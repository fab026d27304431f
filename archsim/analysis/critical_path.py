"""The chain of instances that made a run as long as it was, added up by operation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from archsim.analysis.waiting import edge_text, flow_operation
from archsim.engine.activity import Activity, admission
from archsim.mapping.mapped import Mapped
from archsim.result import CriticalOperation

if TYPE_CHECKING:
    from archsim.program import Ints, Program


@dataclass
class _Share:
    """What one operation has of the path, in ticks; causes: ticks by what let its steps begin."""

    steps: int = 0
    ticks: int = 0
    first: int = 2**62
    last: int = 0
    causes: Counter[str] = field(default_factory=Counter)


class _Flow:
    """Admission and finish times of a flow, prepared for walking back through them."""

    def __init__(self, program: Program, finish: tuple[Ints, ...], flow: int):
        self.ready, self.edge = admission(program, finish, flow)
        self.done = np.maximum.accumulate(finish[flow])
        count = np.arange(len(self.done))
        # the instance among 0..n that finished last
        self.latest = np.maximum.accumulate(np.where(finish[flow] == self.done, count, 0))


def critical_path(mapped: Mapped, activity: Activity) -> list[CriticalOperation]:
    """Walk back from the last finish: each step is an instance, from its admission to its finish.

    What admitted an instance (an input that became complete, space in a buffer, a register of its
    own) finished at that very tick, so the steps join without a gap and their times add up to the
    latency. Operations come in the order in which the path enters them first.
    """
    program, finish = mapped.program, activity.finish
    operation = flow_operation(mapped)
    flows: dict[int, _Flow] = {}
    shares: dict[str, _Share] = {}
    flow = max(range(program.flows), key=lambda f: int(finish[f].max()))
    instance = int(finish[flow].argmax())
    while True:
        if flow not in flows:
            flows[flow] = _Flow(program, finish, flow)
        now = flows[flow]
        begin, end = int(now.ready[instance]), int(finish[flow][instance])
        share = shares.setdefault(operation[flow], _Share())
        share.steps += 1
        share.ticks += end - begin
        share.first, share.last = min(share.first, begin), max(share.last, end)
        edge = int(now.edge[instance])
        if edge < 0:
            break
        if operation[flow] != operation[int(program.edge_parent[edge])]:
            share.causes[edge_text(mapped, edge, operation)] += end - begin
        need = int(program.needed(edge, np.asarray([instance]))[0])
        flow = int(program.edge_parent[edge])
        if flow not in flows:
            flows[flow] = _Flow(program, finish, flow)
        instance = int(flows[flow].latest[need])
    return [
        CriticalOperation(
            name=name,
            steps=share.steps,
            time_s=share.ticks * mapped.tick,
            start_s=share.first * mapped.tick,
            finish_s=share.last * mapped.tick,
            waited_for=_most(share.causes),
        )
        for name, share in sorted(shares.items(), key=lambda item: item[1].first)
    ]


def _most(causes: Counter[str]) -> str:
    return max(causes.items(), key=lambda item: (item[1], item[0]))[0] if causes else "-"
