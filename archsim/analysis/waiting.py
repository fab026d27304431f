"""What each operation waited for: inputs, buffer space, or a busy resource."""

from __future__ import annotations

from collections import Counter

import numpy as np

from archsim.engine.activity import Activity, admission
from archsim.mapping.mapped import Mapped


def waits(mapped: Mapped, activity: Activity) -> list[str]:
    """For each operation, in words, the largest cause of waiting and its share of its time.

    Between two instances of an operation the edge that was met last is to blame for the gap; once
    an instance has started, a busy resource is to blame for the time its beats spend in the queue,
    divided by the mean number of instances in flight (Little's law). Shares are of the operation's
    time from its first ready instance to its last finish.
    """
    program = mapped.program
    names = flow_operation(mapped)
    found = []
    for info in mapped.operations:
        compute, results = info.flows
        ready, edges = admission(program, activity.finish, compute)
        span = int(activity.finish[results].max() - ready[0])
        gaps = np.diff(ready, prepend=ready[0])
        causes: Counter[str] = Counter()
        for edge in np.unique(edges[edges >= 0]):
            causes[edge_text(mapped, int(edge), names)] += int(gaps[edges == edge].sum())
        for flow in dict.fromkeys(info.flows):
            begun = ready if flow == compute else admission(program, activity.finish, flow)[0]
            in_flight = max(int((activity.finish[flow] - begun).sum()) / max(span, 1), 1.0)
            queued: Counter[str] = Counter()
            stages = program.stages_of(flow)
            for stage in stages.start + np.flatnonzero(activity.wait[stages] > 0):
                part = mapped.part(int(program.stage_resource[stage]))
                lost = int(activity.wait[stage]) / int(program.stage_beats[stage]) / in_flight
                queued[part] = max(queued[part], round(lost))
            causes.update({f"busy {part.rsplit('.', 1)[-1]}": t for part, t in queued.items()})
        if not causes or span <= 0:
            found.append("-")
            continue
        cause, ticks = max(causes.items(), key=lambda item: (item[1], item[0]))
        share = min(ticks / span, 1.0)
        found.append(f"{cause} {share:.0%}" if share >= 0.005 else "-")
    return found


def flow_operation(mapped: Mapped) -> dict[int, str]:
    """The operation, by its first layer's name, that each flow belongs to.

    Flows of no operation, those that a task switch adds, go by their own name.
    """
    own = dict(enumerate(mapped.program.flow_names))
    return own | {flow: info.layers[0] for info in mapped.operations for flow in info.flows}


def edge_text(mapped: Mapped, edge: int, names: dict[int, str]) -> str:
    """What an instance waits for at an edge; names: the operation of each flow."""
    program = mapped.program
    name = program.edge_names[edge]
    parent = names[int(program.edge_parent[edge])]
    if name == "data":
        return f"input from {parent}"
    if name.startswith("buffer"):
        return f"space before {parent}"
    own = parent == names[int(program.edge_child[edge])]
    return f"own {name}" if own else f"{name} of {parent}"
