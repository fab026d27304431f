"""How often a period that has been seen repeats: what a Program says about it.

Between two checkpoints with equal images every flow went on by `steps` instances in `length` ticks.
Each function here limits the number of further periods by one condition; together they are
sufficient (archsim.engine.steady gives the argument).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.engine import memory as mem
from archsim.engine.memory import Layout
from archsim.program import TIME_LIMIT, Ints, Program


@dataclass(frozen=True)
class Checkpoint:
    """A state: its image, and the absolute figures that the image leaves out."""

    image: Ints
    now: int
    finished: Ints  # (F,) in-order marks
    admitted: Ints  # (F,)
    wait: Ints  # (S,)


def repeats(program: Program, layout: Layout, earlier: Checkpoint, here: Checkpoint) -> int:
    """How many periods like the one between two checkpoints of equal image follow for certain."""
    length, steps = here.now - earlier.now, here.finished - earlier.finished
    if length <= 0 or not steps.any():
        return 0
    count = (TIME_LIMIT // 2 - here.now) // length
    solved = layout.table("flow")[:, mem.F_SOLVED] >= 0
    moving = here.admitted < program.flow_instances
    for flow in np.flatnonzero(steps > 0).tolist():
        if solved[flow]:
            count = min(count, _played(program, layout, earlier, flow, int(steps[flow]), length))
        else:
            count = min(count, _goes_on(program, layout, earlier, here, flow, int(steps[flow])))
    for flow in np.flatnonzero((steps == 0) & moving & ~solved).tolist():
        count = min(count, _blocked(program, layout, here, steps, flow, count))
    for edge in range(len(program.edge_child)):
        child = int(program.edge_child[edge])
        if count > 0 and steps[child] > 0 and moving[child] and not solved[child]:
            count = min(count, _edge_repeats(program, earlier, steps, edge, count))
    return max(count, 0)


def _goes_on(
    program: Program, layout: Layout, earlier: Checkpoint, here: Checkpoint, flow: int, step: int
) -> int:
    """Periods until a flow runs out of instances, or its services change."""
    instances = int(program.flow_instances[flow])
    top = int(here.admitted[flow])  # no instance from here on has been made
    if top == instances:
        first, last = program.flow_lanes[flow : flow + 2]
        made = layout.table("lane")[first:last, mem.L_MADE]
        top = (int(made.max()) + 1) * int(last - first)
    count = (instances - top) // step
    span, every = int(program.flow_round[flow]), int(program.flow_every[flow])
    if program.stage_slope[program.stages_of(flow)].any() and step % span:
        inside = int(earlier.finished[flow]) % span
        begin = int(earlier.finished[flow]) - inside
        end = begin + min(_alike(program, flow, inside // every) * every, span)
        count = min(count, (end - top) // step)
    return count


def _alike(program: Program, flow: int, step: int) -> int:
    """The first step of growth after `step` that differs from it."""
    first, last = program.flow_growth_ptr[flow : flow + 2]
    ahead = program.growth_table[first:last][step:]
    other = np.flatnonzero(ahead != ahead[0]) if len(ahead) else np.array([1])
    return step + int(other[0] if len(other) else len(ahead))


def _played(
    program: Program, layout: Layout, earlier: Checkpoint, flow: int, step: int, length: int
) -> int:
    """Periods for which the known finish times of a solved flow repeat."""
    m, record = layout.memory, layout.table("flow")[flow]
    first = int(m[mem.READY_AT] + record[mem.F_FIRST])
    times = m[first + int(earlier.finished[flow]) : first + int(record[mem.F_SOLVED])]
    return _first_false(times[step:] - times[:-step] == length, step)


def _blocked(
    program: Program, layout: Layout, here: Checkpoint, steps: Ints, flow: int, most: int
) -> int:
    """Periods for which a flow that stands still stays blocked, at most `most`."""
    count = 0
    for edge in np.flatnonzero(program.edge_child == flow):
        parent = program.edge_parent[edge]
        missing = int(layout.table("edge")[edge, mem.E_NEED] - here.finished[parent])
        if missing >= 0:
            step = int(steps[parent])
            count = max(count, min(most, missing // step) if step > 0 else most)
    return count


def _edge_repeats(program: Program, earlier: Checkpoint, steps: Ints, edge: int, most: int) -> int:
    """Periods for which g(n + step of the child) = g(n) + step of the parent, at most `most`."""
    child, parent = int(program.edge_child[edge]), int(program.edge_parent[edge])
    if earlier.finished[parent] == program.flow_instances[parent]:
        return most  # it asks for nothing any more
    step, period = int(steps[child]), int(program.edge_period[edge])
    if step % period == 0:
        return most if step // period * program.edge_step[edge] == steps[parent] else 0
    begin = int(earlier.admitted[child])
    end = min(begin + most * step + 1, int(program.flow_instances[child]) - step)
    n = np.arange(begin, end, dtype=np.int64)
    shifted = program.asked(edge, n + step) - program.asked(edge, n) == steps[parent]
    holds = _first_false(shifted, step)
    return most if shifted.all() and end == begin + most * step + 1 else holds


def _first_false(holds: np.ndarray[tuple[int], np.dtype[np.bool_]], step: int) -> int:
    """Whole steps before the first instance for which a condition does not hold or is unknown."""
    first = len(holds) if holds.all() else int(np.argmin(holds))
    return (first - 1) // step
