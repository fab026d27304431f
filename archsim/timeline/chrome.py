"""The timeline as JSON in Chrome's trace event format, for ui.perfetto.dev and chrome://tracing.

Format: "Trace Event Format", the Chromium project, 2016. Both viewers keep whole nanoseconds and
drop slices that overlap once rounded, so a picosecond of the run is written as a nanosecond (`ts`
and `dur` are in microseconds): 1 ms in the viewer is 1 us of the run. `args` has the exact ticks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from archsim.timeline.model import (
    BUSY,
    END,
    FIRST,
    KIND,
    LABEL,
    LAST,
    OTHERS,
    SERVICES,
    START,
    TRACK,
    WAIT,
    Timeline,
)
from archsim.timeline.scale import picoseconds, slice_name

FIRST_THREAD = 1_000_000  # a thread with the number of its process would be taken for its main one


def chrome_json(timeline: Timeline) -> str:
    """One JSON object, an event a line."""
    about = {
        "name": timeline.name,
        "time": "1 ns here is 1 ps of the run",
        "tick_s": timeline.tick,
        "makespan_ticks": timeline.makespan,
        "unit_track": timeline.merged,
        "resolution_ticks": timeline.resolution,
    }
    head = f'{{"displayTimeUnit":"ns","otherData":{json.dumps(about)},"traceEvents":[\n'
    return head + ",\n".join(_events(timeline)) + "\n]}\n"


def _events(timeline: Timeline) -> Iterator[str]:
    names = [track.process for track in timeline.tracks]
    names += [counter.process for counter in timeline.counters]
    order = {track.process: track.order for track in timeline.tracks}
    processes = {name: pid for pid, name in enumerate(dict.fromkeys(names), start=1)}
    for name, pid in processes.items():
        yield _about(pid, 0, "process_name", "name", name)
        yield _about(pid, 0, "process_sort_index", "sort_index", order.get(name, 1))
    for number, track in enumerate(timeline.tracks):
        pid, thread = processes[track.process], FIRST_THREAD + number
        yield _about(pid, thread, "thread_name", "name", track.name)
        yield _about(pid, thread, "thread_sort_index", "sort_index", number)
    yield from _slices(timeline, processes)
    yield from _counters(timeline, processes)


def _about(pid: int, thread: int, what: str, key: str, value: str | int) -> str:
    args = json.dumps({key: value})
    return f'{{"ph":"M","pid":{pid},"tid":{thread},"name":"{what}","args":{args}}}'


def _slices(timeline: Timeline, processes: dict[str, int]) -> Iterator[str]:
    pids = [processes[track.process] for track in timeline.tracks]
    names = [
        [json.dumps(slice_name(timeline.labels, label, others)) for others in (0, 1)]
        for label in range(len(timeline.labels))
    ]
    rows = timeline.in_order()
    starts = picoseconds(timeline, rows[:, START])
    lengths = picoseconds(timeline, rows[:, END]) - starts
    for row, start, length in zip(rows.tolist(), starts.tolist(), lengths.tolist(), strict=True):
        track, waits = row[TRACK], row[KIND] == WAIT
        kind = '"wait","cname":"grey"' if waits else '"work"'
        args = f'"start_tick":{row[START]},"end_tick":{row[END]}'
        if row[FIRST] >= 0:
            args = f'"first":{row[FIRST]},"last":{row[LAST]},{args}'
        if row[BUSY]:
            args += f',"services":{row[SERVICES]},"busy_ticks":{row[BUSY]}'
        yield (
            f'{{"ph":"X","pid":{pids[track]},"tid":{FIRST_THREAD + track},'
            f'"name":{names[row[LABEL]][row[OTHERS]]},"cat":{kind},"ts":{_micro(start)},'
            f'"dur":{_micro(length)},"args":{{{args}}}}}'
        )


def _counters(timeline: Timeline, processes: dict[str, int]) -> Iterator[str]:
    for counter in timeline.counters:
        changes = np.flatnonzero(np.diff(counter.values, prepend=np.nan) != 0)
        name = json.dumps(counter.name)
        times = picoseconds(timeline, counter.ticks[changes]).tolist()
        for time, value in zip(times, counter.values[changes].tolist(), strict=True):
            yield (
                f'{{"ph":"C","pid":{processes[counter.process]},"name":{name},'
                f'"ts":{_micro(time)},"args":{{"{counter.unit}":{value:.9g}}}}}'
            )


def _micro(picoseconds_: int) -> str:
    whole, rest = divmod(picoseconds_, 1000)
    return f"{whole}.{rest:03d}"
