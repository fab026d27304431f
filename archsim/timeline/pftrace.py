"""The timeline as a Perfetto trace (protobuf), smaller than JSON and with integer times.

Format: protos/perfetto/trace/ of google/perfetto (trace_packet, track_event, track_descriptor,
interned_data, debug_annotation). As in the JSON form, what the viewer takes for a nanosecond is a
picosecond of the run.
"""

from __future__ import annotations

import struct
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
    Timeline,
)
from archsim.timeline.scale import picoseconds, slice_name

BEGIN, FINISH, VALUE = 1, 2, 4  # TrackEvent.Type
EXPLICIT = 3  # TrackDescriptor.ChildTracksOrdering
CLEARED, NEEDS_STATE = 1, 2  # TracePacket.SequenceFlags
SEQUENCE = 1
NOTES = {
    "first instance": FIRST,
    "last instance": LAST,
    "start tick": START,
    "end tick": END,
    "services": SERVICES,
    "busy ticks": BUSY,
}
CATEGORIES = ("work", "wait")


def pftrace(timeline: Timeline) -> bytes:
    """The trace as bytes."""
    return b"".join(_bytes(1, packet) for packet in _packets(timeline))


def _packets(timeline: Timeline) -> Iterator[bytes]:
    names = [slice_name(timeline.labels, i // 2, i % 2) for i in range(2 * len(timeline.labels))]
    interned = b"".join(
        _bytes(field, _number(1, iid) + _text(2, text))
        for field, texts in ((1, CATEGORIES), (2, names), (3, tuple(NOTES)))
        for iid, text in enumerate(texts, start=1)
    )
    yield _number(13, CLEARED) + _number(10, SEQUENCE) + _bytes(12, interned)
    parents: dict[str, int] = {}
    order = {track.process: track.order for track in timeline.tracks}
    places = [track.process for track in timeline.tracks]
    places += [counter.process for counter in timeline.counters]
    for name in dict.fromkeys(places):
        parents[name] = len(parents) + 1
        rank = _number(12, order.get(name, 1))
        yield _described(_number(1, parents[name]) + _text(2, name) + _number(11, EXPLICIT) + rank)
    first = len(parents) + 1
    for number, track in enumerate(timeline.tracks):
        parent = _number(5, parents[track.process])
        yield _described(
            _number(1, first + number) + _text(2, track.name) + parent + _number(12, number)
        )
    after = first + len(timeline.tracks)
    for number, counter in enumerate(timeline.counters):
        yield _described(
            _number(1, after + number)
            + _text(2, counter.name)
            + _number(5, parents[counter.process])
            + _bytes(8, _text(6, counter.unit))
            + _number(12, number)
        )
    yield from _slices(timeline, first)
    yield from _counters(timeline, after)


def _described(track: bytes) -> bytes:
    return _number(10, SEQUENCE) + _bytes(60, track)


def _slices(timeline: Timeline, first_track: int) -> Iterator[bytes]:
    rows = timeline.slices
    starts, ends = (picoseconds(timeline, rows[:, column]) for column in (START, END))
    # in order of time; on a track, an end comes before the begin at the same time
    when = np.concatenate([ends, starts])
    order = np.lexsort((np.arange(len(when)), when))
    table = rows.tolist()
    for event in order.tolist():
        row = table[event % len(table)]
        track = _number(11, first_track + row[TRACK])
        if event < len(table):
            body = _number(9, FINISH) + track
        else:
            notes = b"".join(
                _bytes(4, _number(1, iid) + _number(4, row[column]))
                for iid, column in enumerate(NOTES.values(), start=1)
                if row[column] >= 0
            )
            name = _number(10, 2 * row[LABEL] + row[OTHERS] + 1)
            body = _number(9, BEGIN) + track + _number(3, row[KIND] + 1) + name + notes
        yield _event(int(when[event]), body)


def _counters(timeline: Timeline, first_track: int) -> Iterator[bytes]:
    for number, counter in enumerate(timeline.counters):
        track = _number(9, VALUE) + _number(11, first_track + number)
        times = picoseconds(timeline, counter.ticks).tolist()
        for time, value in zip(times, counter.values.tolist(), strict=True):
            yield _event(time, track + _varint(44 << 3 | 1) + struct.pack("<d", value))


def _event(time: int, body: bytes) -> bytes:
    return _number(8, time) + _number(10, SEQUENCE) + _number(13, NEEDS_STATE) + _bytes(11, body)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
