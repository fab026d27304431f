"""Copies of convolutions: each lane gets the columns that its windows reach, and no others."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_teaching import MESH, conv, finishes, layers, linear, small_chip

from archsim.engine import run_program
from archsim.mapping.columns import columns_of, lane_counts
from archsim.mapping.floor import Lane, Room, TilePart
from archsim.mapping.graph import Operation, operations
from archsim.mapping.lower import map_trace
from archsim.mapping.options import MapOptions
from archsim.mapping.plan import Plan, plan
from archsim.mapping.spans import WHOLE
from archsim.mapping.steering import period, targets, variants
from archsim.trace.model import Trace


def planned(trace: Trace, chips: int = 1) -> Plan:
    arch = small_chip({**MESH, "chip.tile.count": 64})
    return plan(arch, trace, operations(trace, {}), MapOptions(chips=chips))


def one(trace: Trace) -> Operation:
    return operations(trace, {})[1]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(0, 3),
    st.integers(1, 6),
    st.integers(1, 24),
    st.integers(2, 8),
)
def test_a_lane_gets_all_columns_that_its_windows_reach(
    kernel: int, stride: int, dilation: int, padding: int, height: int, width: int, lanes: int
) -> None:
    """Against every window, one by one; what is more is at the map's edges or wraps round it."""
    reach = (kernel - 1) * dilation + 1
    height, width = max(height, reach), max(width, reach)
    fields = {"stride": [stride] * 2, "dilation": [dilation] * 2, "padding": [padding] * 4}
    trace = layers([height, width, 2], conv(2, 3, kernel, **fields))
    operation = one(trace)
    columns = columns_of(operation, lanes, (height, width, 2))
    out = operation.shape[1]
    if columns is None:
        assert out % lanes or width % (lanes * stride) or kernel >= lanes * stride
        return
    assert columns.every == lanes * stride and width % columns.every == 0
    wanted: dict[int, set[int]] = {x: set() for x in range(width)}
    for n in range(out * operation.shape[0]):
        for k in range(kernel):
            x = n % out * stride + k * dilation - padding
            if 0 <= x < width:
                wanted[x].add(n % lanes)
    for x, needed in wanted.items():
        assert needed <= set(columns.lanes_of(x % columns.every))
    given_away = [len(columns.lanes_of(x)) for x in range(columns.every)]
    assert sum(given_away) <= columns.needed * lanes


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.sampled_from([2, 3, 4, 6]), st.integers(1, 6))
def test_lanes_on_one_tile_buffer_all_their_columns(
    kernel: int, stride: int, lanes: int, together: int
) -> None:
    """What n neighbouring lanes need together, counted column by column, is what is set aside."""
    width = lanes * stride * 3
    padding = {"padding": [0, 0, 0, kernel - stride]} if kernel > stride else {"padding": [0] * 4}
    trace = layers([kernel, width, 2], conv(2, 3, kernel, stride=[stride] * 2, **padding))
    operation = one(trace)
    columns = columns_of(operation, lanes, (kernel, width, 2))
    if columns is None:
        return
    together = min(together, lanes)
    union = {x for x in range(columns.every) if set(columns.lanes_of(x)) & set(range(together))}
    room = Room(columns.needed, columns.stride, columns.every)
    assert len(union) == room.of(together)


def test_room_for_lanes_that_share_nothing_and_for_lanes_that_share_all() -> None:
    assert [Room(3, 3, 10).of(n) for n in range(5)] == [0, 3, 6, 9, 10]
    assert [Room(10, 10, 10).of(n) for n in range(3)] == [0, 10, 10]
    assert (Room(1, 2, 3) + Room(10, 20, 30)) == Room(11, 22, 33)


def test_copies_of_a_convolution_divide_the_width_of_its_map() -> None:
    trace = layers([12, 12, 2], conv(2, 2, 3), conv(2, 2, 1), linear(2, 2))
    window, point, line = operations(trace, {})[1:]
    for convolution in (window, point):
        assert lane_counts(convolution)[:8] == [1, 2, 3, 4, 6, 12, 24, 36]
    assert lane_counts(line) == list(range(1, 145))


def test_results_go_to_the_lanes_that_need_them() -> None:
    """Two 3 x 3 convolutions of 8 columns, 4 lanes: a column has windows in 3 of them."""
    trace = layers([8, 8, 4], conv(4, 4), conv(4, 4), bits=2)
    placed = planned(trace)
    placed.lanes[2] = [placed.lanes[2][0]] * 4
    assert period(placed, 2, 1) == 4
    first = placed.operations[1]
    count = variants(placed, first)
    assert count % 4 == 0 and count % len(placed.lanes[1]) == 0
    columns = columns_of(placed.operations[2], 4, (8, 8, 4))
    assert columns is not None
    assert [columns.lanes_of(x) for x in range(4)] == [[0, 1, 3], [0, 1, 2], [1, 2, 3], [0, 2, 3]]


@pytest.mark.parametrize("width", [8, 9])
def test_copies_in_columns_need_less_of_the_network(width: int) -> None:
    """9 columns and 4 lanes do not fit: every lane then gets every position."""
    trace = layers([4, width, 4], conv(4, 4), conv(4, 8), bits=2)
    placed = planned(trace)
    for index in (1, 2):
        placed.lanes[index] = [Lane([TilePart(4 * index + n, [0])]) for n in range(4)]
        placed.needs[index].lanes = 4
    first = placed.operations[1]
    count = variants(placed, first)
    reached = [
        len({tile for tile, _ in targets(placed, first, v, count, WHOLE)}) for v in range(count)
    ]
    assert reached == ([3] * 4 if width == 8 else [4] * 4)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([4, 6, 8, 12]),
    st.sampled_from([(3, 1), (3, 2), (5, 1), (2, 2)]),
    st.integers(1, 6),
    st.integers(1, 2),
)
def test_both_engines_agree_and_nothing_is_lost(
    width: int, window: tuple[int, int], outer: int, batch: int
) -> None:
    kernel, stride = window
    trace = layers(
        [width, width, 2],
        conv(2, outer, kernel, stride=[stride] * 2),
        {"op": "pool", "function": "max", "kernel": [2, 2]},
        bits=2,
    )
    mapped = map_trace(small_chip({**MESH, "chip.tile.count": 16}), trace, batch=batch)
    assert sum(o.macs for o in mapped.operations) == trace.macs()
    assert finishes(mapped, "l1") == finishes(mapped, "l1", "reference")


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 6), st.integers(1, 12)),
    st.sampled_from(["conv2d", "max", "avg"]),
    st.booleans(),
    st.integers(1, 2),
)
@example((1, 1), (2, 2), (4, 6), "conv2d", False, 1)
@example((1, 1), (1, 2), (2, 4), "max", False, 1)
@example((1, 1), (2, 2), (4, 8), "conv2d", True, 2)
def test_columns_that_nobody_reads(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    size: tuple[int, int],
    kind: str,
    stem: bool,
    batch: int,
) -> None:
    """Strides beyond the kernel, fed by the input or by a layer: it runs, in both engines alike."""
    height, width = max(size[0], kernel[0]), max(size[1], kernel[1])
    fields = {"kernel": list(kernel), "stride": list(stride), "padding": [0] * 4}
    record = {**conv(4, 4), **fields}
    if kind != "conv2d":
        record = {"op": "pool", "function": kind, **fields}
    trace = layers([height, width, 4], *([conv(4, 4)] if stem else []), record, bits=8)
    mapped = map_trace(small_chip({**MESH, "chip.tile.count": 64}), trace, batch=batch)
    fast, slow = (run_program(mapped.program, engine) for engine in ("fast", "reference"))
    assert fast.digest() == slow.digest()
    out = ((height - kernel[0]) // stride[0] + 1) * ((width - kernel[1]) // stride[1] + 1)
    assert len(fast.finish[mapped.operations[-1].flows[1]]) == batch * out
