"""Compiled: services to slices as they come, so that memory does not grow with their number."""

from __future__ import annotations

from numba import njit

from archsim.timeline.model import (
    BUSY,
    COLUMNS,
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
    WORK,
)

FREE_AT, HELD_BY, HELD_FOR, HELD_BEATS = range(4)  # columns of the table of servers
HOLDER = COLUMNS  # of the table of open slices, behind those of a slice: the holding stage, or -1


@njit(cache=True)
def absorb(opened, out, count, row, holder, gap):  # type: ignore[no-untyped-def]
    """Extend the open slice of a track by `row`, or close it and open another.

    They become one where they overlap, where the same instance goes on at once, where the same
    label pauses for `gap` or less, and where both together span no more than `gap`.
    """
    last = opened[row[TRACK]]
    if last[SERVICES] > 0:
        start, end, same = row[START], last[END], row[LABEL] == last[LABEL]
        instance = same and row[FIRST] == last[LAST]
        if (
            start < end
            or (instance and start == end)
            or (gap > 0 and same and start - end <= gap)
            or row[END] - last[START] <= gap
        ):
            if row[END] > end:
                last[END] = row[END]
            last[SERVICES] += row[SERVICES]
            if same:
                last[FIRST] = min(last[FIRST], row[FIRST])
                last[LAST] = max(last[LAST], row[LAST])
                last[OTHERS] |= row[OTHERS]
            else:
                last[OTHERS] = 1
                if row[BUSY] > last[BUSY]:
                    last[LABEL], last[FIRST], last[LAST] = row[LABEL], row[FIRST], row[LAST]
            last[BUSY] += row[BUSY]
            last[HOLDER] = holder
            return count
        out[count] = last[:COLUMNS]
        count += 1
        if holder >= 0 and holder == last[HOLDER] and instance:
            out[count] = last[:COLUMNS]
            out[count, KIND] = WAIT
            out[count, START] = end
            out[count, END] = start
            out[count, SERVICES] = 0
            out[count, BUSY] = 0
            count += 1
    last[:COLUMNS] = row
    last[HOLDER] = holder
    return count


@njit(cache=True)
def feed_services(  # type: ignore[no-untyped-def]
    services, stages, servers, first_server, track, opened, out, gap
):
    """Services (stage, instance, start, end) in the order of their start; returns slices closed.

    stages: (S, 4) flow, resource, hold, beats. A service takes the lowest free server, and what
    holds a server goes on with it.
    """
    count = 0
    row = out[-1].copy()
    for i in range(len(services)):
        stage, instance, start, end = services[i]
        if start == end:
            continue  # nothing to draw
        flow, resource, hold, beats = stages[stage]
        found, going_on = -1, False
        for server in range(first_server[resource], first_server[resource + 1]):
            held = servers[server, HELD_BEATS] > 0
            if (
                hold
                and held
                and servers[server, HELD_BY] == stage
                and servers[server, HELD_FOR] == instance
            ):
                found, going_on = server, True
                break
            if found < 0 and not held and servers[server, FREE_AT] <= start:
                found = server
                if not hold:
                    break
        if hold:
            if not going_on:
                servers[found, HELD_BY] = stage
                servers[found, HELD_FOR] = instance
                servers[found, HELD_BEATS] = beats
            servers[found, HELD_BEATS] -= 1
        servers[found, FREE_AT] = end
        row[TRACK], row[KIND], row[LABEL] = track[found], WORK, flow
        row[FIRST] = row[LAST] = instance
        row[START], row[END] = start, end
        row[SERVICES], row[BUSY], row[OTHERS] = 1, end - start, 0
        count = absorb(opened, out, count, row, stage if hold else -1, gap)
    return count


@njit(cache=True)
def feed_slices(slices, opened, out, gap):  # type: ignore[no-untyped-def]
    """Slices, in order of their start on each track, once more with a longer gap."""
    count = 0
    for i in range(len(slices)):
        if slices[i, KIND] == WORK:
            count = absorb(opened, out, count, slices[i], -1, gap)
        elif slices[i, END] - slices[i, START] > gap:
            out[count] = slices[i]
            count += 1
    return count


@njit(cache=True)
def feed_energy(services, bill_at, bill_part, bill_joules, buckets, width):  # type: ignore[no-untyped-def]
    """Spread each service's joules evenly over its time; returns the width of a bucket in ticks.

    buckets: (parts, B) joules; where a service ends past the last one, all become twice as wide.
    """
    number = buckets.shape[1]
    for i in range(len(services)):
        stage, _, start, end = services[i]
        while end > number * width or start >= number * width:
            for part in range(buckets.shape[0]):
                for b in range(number // 2):
                    buckets[part, b] = buckets[part, 2 * b] + buckets[part, 2 * b + 1]
                buckets[part, number // 2 :] = 0.0
            width *= 2
        first, last = start // width, max(start, end - 1) // width
        for entry in range(bill_at[stage], bill_at[stage + 1]):
            part, joules = bill_part[entry], bill_joules[entry]
            if first == last:
                buckets[part, first] += joules
                continue
            each = joules / (end - start)
            for b in range(first, last + 1):
                inside = min(end, (b + 1) * width) - max(start, b * width)
                buckets[part, b] += each * inside
    return width
