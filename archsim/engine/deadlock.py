"""Naming the cycle when a Program cannot proceed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from archsim.program import Ints, Program


class DeadlockError(RuntimeError):
    """A Program that cannot proceed; `cycle` holds one line for each link of the cycle."""

    def __init__(self, cycle: list[str]):
        self.cycle = cycle
        super().__init__("deadlock: " + "; ".join(cycle))


def diagnose(
    program: Program,
    finished: Ints,
    waiting: Iterable[tuple[int, int]],
    holding: Iterable[tuple[int, int]],
) -> DeadlockError:
    """The error for a stuck run.

    finished: (F,) instances of each flow finished in order; waiting and holding: (flow, resource)
    pairs of requests without a server and of servers that are held.
    """
    blocked: dict[int, list[tuple[int, str]]] = {}
    holders: dict[int, list[int]] = {}
    for flow, resource in holding:
        holders.setdefault(resource, []).append(flow)
    for flow, resource in waiting:
        for holder in holders.get(resource, []):
            name = program.resource_names[resource]
            text = f"waits for resource {name}, held by"
            blocked.setdefault(flow, []).append((holder, text))
    for child in range(program.flows):
        instance, edges = _next_blocked(program, finished, child)
        for edge in edges:
            parent = int(program.edge_parent[edge])
            need = int(program.needed(edge, np.asarray([instance]))[0])
            label = program.edge_names[edge] or f"edge {edge}"
            text = f"instance {instance} needs instance {need} ({label}) of"
            blocked.setdefault(child, []).append((parent, text))
    return DeadlockError(_cycle(program, blocked))


def _next_blocked(program: Program, finished: Ints, flow: int) -> tuple[int, list[int]]:
    """The first instance of a flow that may not start, and the edges that keep it from it."""
    pending = np.arange(finished[flow], program.flow_instances[flow], dtype=np.int64)
    unmet = {
        int(edge): program.needed(int(edge), pending) >= finished[program.edge_parent[edge]]
        for edge in np.flatnonzero(program.edge_child == flow)
    }
    first = [int(np.argmax(waits)) for waits in unmet.values() if waits.any()]
    if not first:
        return -1, []
    return int(pending[min(first)]), [e for e, waits in unmet.items() if waits[min(first)]]


def _cycle(program: Program, blocked: dict[int, list[tuple[int, str]]]) -> list[str]:
    names = program.flow_names
    state: dict[int, int] = {}
    for root in blocked:
        path: list[tuple[int, int]] = [(root, 0)]
        while path:
            flow, choice = path[-1]
            options = blocked.get(flow, [])
            if choice == len(options):
                state[flow] = 2
                path.pop()
                continue
            state[flow] = 1
            path[-1] = (flow, choice + 1)
            target = options[choice][0]
            if state.get(target, 0) == 1:
                trail = [f for f, _ in path]
                links = path[trail.index(target) :]
                return [
                    f"{names[f]}: {blocked[f][c - 1][1]} {names[blocked[f][c - 1][0]]}"
                    for f, c in links
                ]
            if state.get(target, 0) == 0:
                path.append((target, 0))
    stuck = [
        f"{names[f]}: {text} {names[target]}" for f, o in blocked.items() for target, text in o
    ]
    return stuck or ["no flow can proceed"]
