"""One track per operation: when it had vectors in hand, and what it waited for between."""

from __future__ import annotations

import numpy as np

from archsim.analysis.waiting import edge_text, flow_operation
from archsim.engine.activity import Activity, admission
from archsim.mapping.mapped import Mapped
from archsim.program import Ints
from archsim.timeline.model import COLUMNS, WAIT, WORK, Track

PROCESS = "operations (1 ms here is 1 us of the run)"  # see chrome.py


def operation_slices(
    mapped: Mapped, activity: Activity, limit: int
) -> tuple[list[Track], list[str], Ints]:
    """Tracks, labels and slices (k, COLUMNS); about `limit` slices at most, and one per operation.

    An operation works while any of its instances is between admission and finish. In the pauses it
    waits for the edge that admitted its next instance. Where there are too many pauses, the
    longest are kept.
    """
    names = flow_operation(mapped)
    pairs = {info.layers[0]: [info.flows] for info in mapped.operations}
    for flow in mapped.written.flows:
        pairs.setdefault(names[flow], []).append((flow, flow))
    tracks, blocks = [], []
    spans = [_spans(mapped, activity, flows) for flows in pairs.values()]
    pauses = np.concatenate([s[1:, 0] - s[:-1, 1] for s in spans])
    most = max(limit // 2 - len(spans), 1)
    shortest = 0 if len(pauses) <= most else int(np.sort(pauses)[-most])
    known: dict[str, int] = {}
    for track, (name, span) in enumerate(zip(pairs, spans, strict=True)):
        tracks.append(Track(PROCESS, name))
        known.setdefault(name, len(known))
        for work, pause in _joined(span, shortest):
            start, end, first, last = work
            blocks.append((track, WORK, known[name], first, last, start, end, 1, 0, 0))
            if pause is not None:
                cause = edge_text(mapped, pause[2], names) if pause[2] >= 0 else "its turn"
                label = known.setdefault(f"waits: {cause}", len(known))
                blocks.append((track, WAIT, label, -1, -1, pause[0], pause[1], 0, 0, 0))
    return tracks, list(known), np.asarray(blocks, np.int64).reshape(-1, COLUMNS)


def _spans(mapped: Mapped, activity: Activity, flows: list[tuple[int, int]]) -> Ints:
    """(k, 5) start, end, first and last instance, edge that let it begin, of stretches of work.

    flows: pairs in which instances are admitted by the first flow and finish in the second; the
    instances of several pairs are numbered together, in order of admission.
    """
    admitted = [admission(mapped.program, activity.finish, first) for first, _ in flows]
    ready = np.concatenate([times for times, _ in admitted])
    edge = np.concatenate([edges for _, edges in admitted])
    finish = np.concatenate([activity.finish[last] for _, last in flows])
    order = np.argsort(ready, kind="stable")
    ready, edge = ready[order], edge[order]
    end = np.maximum.accumulate(finish[order])
    begins = np.flatnonzero(np.concatenate([[True], ready[1:] > end[:-1]]))
    last = np.append(begins[1:], len(ready)) - 1
    return np.stack([ready[begins], end[last], begins, last, edge[begins]], axis=1)


def _joined(
    spans: Ints, shortest: int
) -> list[tuple[tuple[int, int, int, int], tuple[int, int, int] | None]]:
    """Stretches with the pause behind each (start, end, edge); pauses below `shortest` are left
    out, and the stretches around them joined."""
    found: list[tuple[tuple[int, int, int, int], tuple[int, int, int] | None]] = []
    start, end, first, last, _ = spans[0].tolist()
    for begin, stop, low, high, edge in spans[1:].tolist():
        if begin - end >= shortest:
            found.append(((start, end, first, last), (end, begin, edge)))
            start, first = begin, low
        end, last = stop, high
    return [*found, ((start, end, first, last), None)]
