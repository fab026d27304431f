"""Limits: no run beats its bound, and where the chip has one bottleneck the two are equal."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_chips import macro_chip
from test_buffers import graphs
from test_teaching import LINK, MESH, VECTOR_UNIT, conv, layers, linear, small_chip

from archsim.arch.model import Architecture
from archsim.limits.chain import chain
from archsim.limits.demand import capacities, demands, storage
from archsim.limits.limit import Bounds, bounds
from archsim.limits.needed import positions_needed
from archsim.limits.units import rate_seconds, shared_units
from archsim.mapping.graph import operations
from archsim.mapping.needs import needs_of
from archsim.options import FIGURES_ALONE
from archsim.report.run_tables import headline
from archsim.result import Result
from archsim.simulation import simulate
from archsim.trace.model import Trace

RELU = {"op": "activation", "function": "relu"}
DRAM = {"kind": "dram", "width": "8 b", "clock": "1 GHz", "access_energy": "1 pJ/b"}
TOKENS = {"op": "embedding", "rows": 10, "features": 4}


def steady(chip: Architecture, trace: Trace, batch: int = 32) -> tuple[float, Bounds]:
    """Seconds per inference in the middle of a long batch, and the bounds."""
    long = simulate(chip, trace, batch=batch)
    short = simulate(chip, trace, batch=batch // 2)
    return (long.latency_s - short.latency_s) / (batch - batch // 2), bounds(chip, trace)


# --- runs and bounds that are equal ------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "records", "seconds", "by"),
    [
        # 2 arrays of 4 columns, 2 bits, 1 ns a column: 16 ns per vector, by one ADC in each PE
        ({}, [linear(4, 4)], 10 * 16 / 2, "conversions of l0"),
        # the four arrays of the chip hold two copies; 2 bits x 30 ns a read
        ({"pe.array.read_time": "30 ns"}, [linear(4, 4)], 10 * 2 * 30 / 2, "reads of l0"),
        # a vector of 8 bits to the PE and one of 8 bits back, over one wire
        ({"bus.wires": 1}, [linear(4, 4)], 10 * 16, "buses of l0"),
        # a line arrives and is read for the layer, at 20 ns a line
        ({"buffer.clock": "50 MHz"}, [linear(4, 4)], 10 * 2 * 20, "buffers of x"),
        ({"relu.clock": "100 MHz", "relu.count": 1}, [linear(4, 4), RELU], 10 * 40, "relu of l0"),
        # 8 bits of result at 40 ns an access in the tile's output register
        ({"output_register.clock": "25 MHz"}, [linear(4, 4)], 400, "tile output registers of l0"),
    ],
)
def test_one_bottleneck(
    changes: dict[str, Any], records: list[dict[str, Any]], seconds: float, by: str
) -> None:
    """Ten vectors of four 2-bit elements on the teaching chip: two PEs of two arrays and an ADC.

    The host reads results from the buffer of the tile, which counts for no bound.
    """
    chip = small_chip({f"chip.tile.{path}": value for path, value in changes.items()})
    pace, limit = steady(chip, layers([10, 4], *records))
    assert limit.interval.seconds == pytest.approx(seconds * 1e-9, rel=2e-6)
    assert limit.interval.by == by
    if by.startswith("buffers"):  # one more line, which the host reads
        assert pace == pytest.approx(10 * 3 * 20e-9, rel=1e-6)
    else:
        assert pace == pytest.approx(limit.interval.seconds, rel=2e-6)


def test_off_chip_link() -> None:
    """A vector of 8 bits in and one of 8 bits out, over the one link of 1 bit per ns."""
    link = {**LINK, "links": 1, "rate": "1 Gb/s"}
    pace, limit = steady(small_chip({"chip.link": link}), layers([10, 4], linear(4, 4)))
    assert limit.interval.by.startswith("off-chip links")
    assert limit.interval.seconds == pytest.approx(10 * 16e-9, rel=2e-6)
    assert pace == pytest.approx(10 * 16e-9, rel=1e-6)


def test_copies_share_the_arrays_that_the_others_leave() -> None:
    """Two layers of W1 = 9 and W2 = 1 units of work, an array each, on four arrays.

    The second keeps one array; the first gets three: T = 9 / 3. Without the one copy that the
    second layer needs it would be 10 / 4.
    """
    records = [linear(4, 2), {"op": "reduce", "function": "max"}, linear(2, 2)]
    chip = small_chip({"chip.tile.pe.array.read_time": "30 ns", "chip.tile.pool": {
        "kind": "max_pool_unit", "clock": "10 GHz"}})  # fmt: skip
    limit = bounds(chip, layers([9, 4], *records))
    assert limit.interval.seconds == pytest.approx(9 * 60e-9 / 3, rel=2e-6)
    turns = bounds(chip, layers([9, 4], *records), resident=False)
    assert turns.interval.seconds == pytest.approx(10 * 60e-9 / 4, rel=2e-6)


def test_a_chain_of_single_cycles_is_as_long_as_the_run() -> None:
    """One position of one channel: link, buffer | read, bus, unit, bus, register, link: 8 ns."""
    chip = small_chip({"chip.link": LINK})
    trace = layers([1, 1], RELU)
    run = simulate(chip, trace)
    assert run.latency_s == pytest.approx(8e-9, rel=1e-6)
    limit = bounds(chip, trace).latency
    assert limit.seconds == pytest.approx(8e-9, rel=2e-6)
    assert limit.by == "the chain of dependencies, most in l0"


SLOW_LINK = {**MESH, "chip.link.clock": "1 MHz", "chip.link.rate": "8 Mb/s"}


def test_a_slow_link_sets_the_latency() -> None:
    """36 words of 8 bits in and 36 out, over two links of one word per us: 36 us, run and bound."""
    chip, trace = small_chip(SLOW_LINK), layers([6, 6, 1], conv(1, 1), bits=8)
    limit = bounds(chip, trace).latency
    assert limit.seconds == pytest.approx(36e-6, rel=2e-6)
    assert simulate(chip, trace).latency_s == pytest.approx(36e-6, rel=1e-6)


def test_the_fill_of_windows_is_in_the_chain() -> None:
    """A maximum over a map waits for all 36 words, 18 us; its result goes out in another one."""
    records = [conv(1, 1), {"op": "reduce", "function": "max"}]
    chip, trace = small_chip(SLOW_LINK), layers([6, 6, 1], *records, bits=8)
    limit = bounds(chip, trace).latency
    assert 19 < limit.seconds * 1e6 < 19.2
    assert limit.by.startswith("the chain of dependencies")
    assert limit.seconds <= simulate(chip, trace).latency_s < 1.1 * limit.seconds


def test_additions_take_the_unit_that_is_faster() -> None:
    """1,000 adds per ns x 4 lanes against one per ns: shared so that both end together."""
    chip = small_chip({**MESH, "chip.tile.shift_add": {"kind": "shift_add", "clock": "1 GHz"}})
    add = {"op": "elementwise", "function": "add", "inputs": ["x", "x"]}
    trace = layers([100, 8], *[{**add, "name": f"a{n}"} for n in range(5)], bits=8)
    asked = demands(chip, operations(trace), needs_of(chip, trace, operations(trace)), 1)
    seconds, _, _ = shared_units(chip, asked, 9)
    assert seconds == pytest.approx(5 * 100 * 8 * 1e-9 / (4 + 1) / 9, rel=0.01)
    assert seconds <= 5 * 100 * 8 * 1e-9 / (4 + 1) / 9


def test_a_tokens_chain_is_walked_for_each_of_them() -> None:
    """Twice as many generated tokens, twice as long between a request and the next."""

    def trace(decode: int) -> Trace:
        data = layers(
            [2 + decode, 4],
            {**TOKENS, "name": "table", "inputs": ["x"]},
            linear(4, 4, name="mix"),
            {"op": "move", "function": "slice", "start": 1, "shape": [decode + 1, 4],
             "name": "score"},
            bits=2,
        ).model_dump(exclude_none=True)  # fmt: skip
        data["inputs"] = [{"name": "x", "shape": [2 + decode, 1]}]
        data["generation"] = {"prompt": 2, "decode": decode, "source": "score", "target": "x"}
        return Trace.model_validate(data)

    chip = small_chip({"chip.dram": DRAM})
    one, two = (bounds(chip, trace(n)) for n in (7, 15))
    assert one.interval.by == "8 tokens, one after another"
    assert two.interval.seconds == pytest.approx(2 * one.interval.seconds)
    for decode, limit in ((7, one), (15, two)):
        run = simulate(chip, trace(decode), batch=3)
        assert run.interval_s >= limit.interval.seconds
        assert run.first_latency_s >= limit.latency.seconds > limit.interval.seconds / 2


# --- no run beats its bound ----------------------------------------------------------------------

CHANGES: list[dict[str, Any]] = [
    {},
    {"chip.tile.bus.wires": 2},
    {"chip.tile.buffer.clock": "100 MHz"},
    {"chip.tile.buffer.ports": 2, "chip.tile.buffer.width": "64 b"},
    {"chip.tile.vector_unit.lanes": 1, "chip.tile.shift_add": {
        "kind": "shift_add", "clock": "3 GHz"}},
    {"chip.link.clock": "50 MHz", "chip.link.rate": "100 Mb/s"},
    {"chip.tile.pe.array.read_time": "100 ns"},
    {"chip.tile.pe.adc.rate": "0.1 GS/s"},
    {"chip.tile.pe.input_register.clock": "20 MHz"},
    {"chip.tile.output_register.clock": "10 MHz"},
    {"chip.tile.count": 30, "chip.tile.pe.dac.resolution": 4},
    {"chip.router.clock": "7 GHz", "chip.tile.bus.wires": 64, "chip.tile.vector_unit.lanes": 64},
]  # fmt: skip


def check(chip: Architecture, trace: Trace, batch: int, replicate: bool) -> None:
    run = simulate(chip, trace, batch=batch, chips=None, replicate=replicate, outputs=FIGURES_ALONE)
    limit = bounds(chip, trace, chips=run.chips)
    assert run.first_latency_s >= limit.latency.seconds
    assert run.latency_s >= batch * limit.interval.seconds


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(), st.sampled_from(CHANGES), st.integers(1, 3), st.booleans())
def test_no_graph_runs_faster_than_its_bound(
    trace: Trace, changes: dict[str, Any], batch: int, replicate: bool
) -> None:
    check(small_chip({**MESH, "chip.tile.count": 16, **changes}), trace, batch, replicate)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    st.integers(1, 30),
    st.sampled_from(["macro", "deep", "fp8", "teaching"]),
    st.integers(1, 20),
    st.booleans(),
)
def test_no_chain_of_layers_runs_faster_than_its_bound(
    widths: list[int], positions: int, kind: str, batch: int, replicate: bool
) -> None:
    """Linear layers of odd sizes, one behind the other, on chips of each kind."""
    chip = {
        "macro": macro_chip(),
        "deep": macro_chip(depth=4),
        "fp8": macro_chip(size="4 x 16", format="fp8_e4m3", align_cycles=40, bits=8),
        "teaching": small_chip(
            {"chip.tile.vector_unit": VECTOR_UNIT, "chip.tile.buffer.capacity": "4 KB"}
        ),
    }[kind]
    tile = chip.chip.tile
    many = tile.model_copy(update={"pe": tile.pe.model_copy(update={"count": 40})})
    chip = chip.model_copy(update={"chip": chip.chip.model_copy(update={"tile": many})})
    bits = 8 if kind == "fp8" else 2
    records = [linear(a, b) for a, b in pairwise(widths)]
    check(chip, layers([positions, widths[0]], *records, bits=bits), batch, replicate)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.01, 1e6),
    st.integers(1, 64),
    st.integers(1, 50),
)
def test_cuts_of_a_work_take_no_less_than_its_rate(amount: float, lanes: int, cuts: int) -> None:
    chip = small_chip({**MESH, "chip.tile.vector_unit.lanes": lanes})
    unit: Any = chip.chip.tile.parts["vector_unit"]
    whole = cuts * round(amount)
    together = cuts * unit.compute({"add": whole / cuts}).seconds
    assert together >= rate_seconds(unit, {"add": whole})


# --- what is shown -------------------------------------------------------------------------------


def test_the_run_says_how_far_it_is_and_what_sets_the_limit() -> None:
    run = simulate(small_chip(), layers([10, 4], linear(4, 4)), batch=4)
    assert run.limit is not None
    shown = dict(headline(run).records)
    ratio = run.interval_s / run.limit.interval_s
    wanted = f"{ratio:.2f} x the chip's limit (conversions of l0)"
    assert shown["interval over limit"] == wanted
    assert "x the chip's limit" in shown["latency over limit"]
    data = Result.model_validate_json(run.model_dump_json())
    assert data.limit == run.limit


def test_the_interval_is_the_mean_of_all_gaps() -> None:
    runs = [simulate(small_chip(), layers([3, 4], linear(4, 4)), batch=n) for n in (1, 5)]
    assert runs[0].interval_s == runs[0].latency_s
    mean = (runs[1].latency_s - runs[1].first_latency_s) / 4
    assert runs[1].interval_s == pytest.approx(mean, rel=1e-12)


def test_windows_that_leave_positions_out() -> None:
    """1 x 1 windows two apart on 5 x 4: rows 0, 2, 4 and columns 0, 2 are needed."""
    trace = layers([5, 4, 4], conv(4, 4, 1, stride=[2, 2], padding=[0] * 4), bits=8)
    ops = operations(trace)
    assert [positions_needed(o, ops) for o in ops] == [6, 0]
    chip = small_chip({**MESH, "chip.tile.count": 16})
    asked = demands(chip, ops, needs_of(chip, trace, ops), 1)
    path = chain(chip, trace, asked, capacities(chip, 1), storage(chip, 1))
    assert 0 < path.seconds <= simulate(chip, trace).latency_s
