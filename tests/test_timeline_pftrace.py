"""The protobuf form of a timeline, read back field by field, says what the JSON form says."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from test_timeline import CHIP, WORKLOAD

from archsim.arch.load import load_arch
from archsim.costing.values import layer_values
from archsim.mapping.lower import map_trace
from archsim.timeline.chrome import chrome_json
from archsim.timeline.model import Timeline
from archsim.timeline.pftrace import pftrace
from archsim.timeline.record import record
from archsim.trace.load import load_trace

Message = dict[int, list[Any]]


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of every field: ints, doubles or bytes, by the wire types of protobuf."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 1:
            yield key >> 3, struct.unpack_from("<d", data, at)[0]
            at += 8
        else:
            assert key & 7 == 2
            size = varint()
            yield key >> 3, data[at : at + size]
            at += size


def message(data: bytes) -> Message:
    found: Message = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    arch, trace = load_arch(CHIP), load_trace(WORKLOAD)
    found, _ = record(arch, map_trace(arch, trace, batch=3), layer_values(trace, arch))
    return found


def test_slices_and_counters_are_those_of_the_json(timeline: Timeline) -> None:
    names: dict[int, str] = {}
    tracks: dict[int, tuple[str, int]] = {}
    parents: dict[int, str] = {}
    open_: dict[int, tuple[str, str, int]] = {}
    slices, counters, last = set(), {}, 0
    for number, packet in fields(pftrace(timeline)):
        assert number == 1
        body = message(packet)
        if 12 in body:
            for entry in message(body[12][0])[2]:
                one = message(entry)
                names[one[1][0]] = one[2][0].decode()
        elif 60 in body:
            one = message(body[60][0])
            name = one[2][0].decode()
            if 5 in one:
                tracks[one[1][0]] = name, one[5][0]
            else:
                parents[one[1][0]] = name
        else:
            event, time = message(body[11][0]), body[8][0]
            track, kind = event[11][0], event[9][0]
            place = f"{parents[tracks[track][1]]}/{tracks[track][0]}"
            if kind == 4:
                counters[place, time] = event[44][0]
                continue
            assert time >= last  # in order, so that ends come before the begins at the same time
            last = time
            if kind == 1:
                assert track not in open_
                open_[track] = names[event[10][0]], ("work", "wait")[event[3][0] - 1], time
            else:
                title, kind, start = open_.pop(track)
                slices.add((place, title, kind, start, time))
    assert not open_
    data = json.loads(chrome_json(timeline))["traceEvents"]
    process = {e["pid"]: e["args"]["name"] for e in data if e["name"] == "process_name"}
    thread = {e["tid"]: e["args"]["name"] for e in data if e["name"] == "thread_name"}
    expected = {
        (
            f"{process[e['pid']]}/{thread[e['tid']]}",
            e["name"],
            e["cat"],
            round(1000 * e["ts"]),
            round(1000 * (e["ts"] + e["dur"])),
        )
        for e in data
        if e["ph"] == "X"
    }
    assert slices == expected
    assert len(slices) == len(timeline.slices)
    drawn = [e for e in data if e["ph"] == "C"]
    assert drawn
    for event in drawn:
        place = f"{process[event['pid']]}/{event['name']}", round(1000 * event["ts"])
        assert counters[place] == pytest.approx(next(iter(event["args"].values())), rel=1e-8)


def test_threads_are_no_process_numbers(timeline: Timeline) -> None:
    data = json.loads(chrome_json(timeline))["traceEvents"]
    assert not {e["tid"] for e in data if e.get("tid")} & {e["pid"] for e in data}
