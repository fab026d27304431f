"""Mapping: closed forms of the steady state, every MAC once, both engines, and room on chips."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_teaching import (
    LINK,
    MESH,
    ROOT,
    array_size,
    conv,
    finishes,
    layers,
    linear,
    small_chip,
)

from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.components.crossbar import Crossbar
from archsim.components.offchip_link import OffchipLink
from archsim.components.vector_unit import VectorUnit
from archsim.engine import Engine, run_program
from archsim.errors import InputError
from archsim.mapping.lower import map_trace
from archsim.mapping.mapped import Mapped, OperationInfo
from archsim.mapping.options import MapOptions
from archsim.mapping.plan import plan
from archsim.simulation import simulate
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

SHIPPED = sorted((ROOT / "arch_configs").glob("*.yaml"))
RELU = {"op": "activation", "function": "relu"}


# --- closed forms ---------------------------------------------------------------------------


def pace(mapped: Mapped, layer: str) -> float:
    """Ticks per position in the steady state: the mean over the middle third of a run."""
    times = finishes(mapped, layer)
    first, last = len(times) // 3, 2 * len(times) // 3
    return (times[last] - times[first]) / (last - first)


def test_sharing_an_adc_doubles_the_time_of_an_adc_bound_layer() -> None:
    """2 bits x 4 columns x 1 ns for each array on the ADC: 8 ns alone, 16 for two, 32 for four."""
    trace = layers([48, 4], linear(4, 8))
    four = array_size(4, 4, arrays=4)
    paces = [
        pace(
            map_trace(small_chip({**four, "chip.tile.pe.adc.count": n}), trace, replicate=False),
            "l0",
        )
        for n in (4, 2, 1)
    ]
    assert paces == [8, 16, 32]


@pytest.mark.parametrize(
    ("changes", "interval"),
    [
        ({}, 16),  # the first layer's ADC: 2 arrays x 2 bits x 4 columns
        ({"pe.adc.rate": "0.5 GS/s"}, 32),
        ({"pe.array.read_time": "11 ns"}, 2 * 11),
        ({"pe.dac.pulse": "12 ns"}, 2 * 12),  # the slowest of DAC, array and sample-and-hold
        ({"pe.sample_hold.sample_time": "13 ns"}, 2 * 13),
        ({"pe.shift_add.clock": "200 MHz"}, 2 * 4 * 5),
        ({"pe.input_register.clock": "40 MHz"}, 25),
        ({"pe.output_register.clock": "25 MHz"}, 40),
        ({"relu.clock": "100 MHz"}, 4 * 10 // 2),
        ({"relu.clock": "100 MHz", "relu.count": 1}, 4 * 10),
        ({"output_register.clock": "50 MHz"}, 2 * 20),  # both layers use it
        ({"bus.clock": "200 MHz"}, 4 * 5),  # to and from both
        ({"bus.wires": 1}, 3 * 8 + 4),  # three vectors of 8 bits and one of 4
        ({"buffer.clock": "100 MHz"}, 5 * 10),  # write, read, write, read, read
        ({"buffer.clock": "100 MHz", "buffer.ports": 2}, 5 * 10 // 2),
        ({"buffer.width": 2}, 4 + 4 + 4 + 4 + 2),
    ],
)
def test_a_pipeline_runs_at_the_pace_of_its_slowest_stage(
    changes: dict[str, Any], interval: int
) -> None:
    chip = small_chip({f"chip.tile.{path}": value for path, value in changes.items()})
    trace = layers([90, 4], linear(4, 4), RELU, linear(4, 2), bits=2)
    mapped = map_trace(chip, trace, replicate=False)
    assert pace(mapped, "l2") * mapped.tick == pytest.approx(interval * 1e-9)


@pytest.mark.parametrize("input_bits", [1, 2, 5, 8])
def test_array_bound_layer(input_bits: int) -> None:
    """Interval per vector = input bits x read time; two replicas halve it."""
    chip = small_chip(
        {
            "precision": {"weight": "2 b", "input": "8 b"},
            "chip.tile.pe.array.read_time": "100 ns",
            "chip.tile.pe.input_register.capacity": "4 B",
        }
    )
    trace = layers([120, 4], linear(4, 4, input_bits=input_bits))
    once = map_trace(chip, trace, replicate=False)
    twice = map_trace(chip, trace)
    assert [o.lanes for o in (once.operations[1], twice.operations[1])] == [1, 2]
    interval = pace(once, "l0") * once.tick
    assert interval == pytest.approx(input_bits * 100e-9)
    assert pace(twice, "l0") * twice.tick == pytest.approx(interval / 2)


def test_dac_resolution_divides_the_reads() -> None:
    chip = small_chip({"chip.tile.pe.dac.resolution": 2, "chip.tile.pe.array.read_time": "100 ns"})
    mapped = map_trace(chip, layers([20, 4], linear(4, 4)), replicate=False)
    assert pace(mapped, "l0") * mapped.tick == pytest.approx(100e-9)


def test_replicas_share_out_what_there_is() -> None:
    """Two layers on six PEs: the one with four times the positions gets four times the copies.

    The PE that is left goes to the first of the slowest.
    """
    chip = small_chip({"chip.tile.pe.count": 6})
    pooled = {"op": "move", "function": "slice", "start": 0, "shape": [8, 4]}
    trace = layers([32, 4], linear(4, 4), pooled, linear(4, 4))
    lanes = {o.layers[0]: o.lanes for o in map_trace(chip, trace).operations}
    assert (lanes["l0"], lanes["l2"]) == (5, 1)


# --- every MAC once -------------------------------------------------------------------------


def array_macs(mapped: Mapped, info: OperationInfo, bits_per_weight: int) -> int:
    """MACs of a layer without groups, read off the Program: runs of its array reads x weights."""
    program, total = mapped.program, 0
    runs, beats = program.stage_runs(), program.stage_beats
    for stage in np.flatnonzero(program.stage_hold):
        if int(program.stage_resource[stage]) not in info.arrays:
            continue
        bill = mapped.actions.actions[int(program.stage_action[stage])].bill
        (cells,) = [amount for _, action, amount in bill if action == "cell_read"]
        assert beats[stage] == mapped.precision[1]
        total += int(runs[stage]) * round(cells) // bits_per_weight
    return total


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from([1, 3]), st.integers(1, 20)), min_size=1, max_size=4),
    st.integers(1, 3),
    st.booleans(),
)
def test_every_mac_is_executed_once(
    height: int, width: int, shape: list[tuple[int, int]], batch: int, replicate: bool
) -> None:
    """By the arrays' shares, and by what the Program runs; arrays are never shared by layers."""
    records, depth = [], 3
    for kernel, out in shape:
        records.append(conv(depth, out, kernel))
        depth = out
    trace = layers([height, width, 3], *records, bits=8)
    mapped = map_trace(small_chip(MESH), trace, batch=batch, chips=None, replicate=replicate)
    used: Counter[int] = Counter()
    for layer, info in zip(trace.layers, mapped.operations[1:], strict=True):
        macs = layer.macs(trace.input_shapes(layer), trace.shapes[layer.name])
        assert info.macs == macs
        assert array_macs(mapped, info, bits_per_weight=8) == batch * macs
        used.update(info.arrays)
    assert max(used.values()) == 1
    assert len(used) <= mapped.arrays_total


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 9), st.sampled_from([1, 3]))
def test_macs_of_grouped_convolutions(groups: int, inner: int, outer: int, kernel: int) -> None:
    """Depthwise (1 x 1 channels per group) and grouped: shares of arrays add up to the layer."""
    trace = layers(
        [3, 4, groups * inner],
        conv(groups * inner, groups * outer, kernel, groups=groups),
        bits=8,
    )
    info = map_trace(small_chip(MESH), trace, chips=None).operations[1]
    assert info.macs == info.positions * groups * kernel * kernel * inner * outer
    assert info.macs == trace.macs()


def test_macs_of_a_transformer_and_of_shards() -> None:
    """Products of activations count too, and a layer whose input is cut into shards."""
    trace = transformer(8)
    mapped = map_trace(small_chip(MESH), trace, chips=None)
    assert sum(o.macs for o in mapped.operations) == trace.macs()
    tight = small_chip({**MESH, "chip.tile.buffer.capacity": "96 B"})
    wide = layers([12, 4, 16], conv(16, 16), conv(16, 8), bits=8)
    mapped = map_trace(tight, wide, chips=None)
    needs = plan_of(tight, wide)
    assert max(n.shards for n in needs) > 1
    for layer, info in zip(wide.layers, mapped.operations[1:], strict=True):
        assert info.macs == layer.macs(wide.input_shapes(layer), (12, 4, 1))
        assert array_macs(mapped, info, 8) == info.macs


def plan_of(arch: Architecture, trace: Trace) -> list[Any]:
    from archsim.mapping.graph import operations

    return plan(arch, trace, operations(trace), MapOptions(chips="auto")).needs


# --- both engines ---------------------------------------------------------------------------


def cnn(bits: int) -> Trace:
    """Convolution, depthwise, max pool, residual, global average, linear."""
    average = {"op": "pool", "function": "avg", "kernel": [3, 3]}
    records = [
        conv(3, 8, name="stem"),
        {**RELU, "name": "relu"},
        conv(8, 8, 3, groups=8, name="depthwise"),
        {"op": "pool", "function": "max", "kernel": [2, 2], "stride": [2, 2], "name": "max"},
        conv(8, 8, name="body"),
        {"op": "elementwise", "function": "add", "inputs": ["body", "max"], "name": "add"},
        {**average, "inputs": ["add"]},
        linear(8, 5),
    ]
    return layers([6, 6, 3], *records, bits=bits)


def transformer(bits: int) -> Trace:
    """One encoder block of width 8 with two heads, on six tokens."""
    records = [
        linear(8, 8, name="q", inputs=["x"]),
        linear(8, 8, name="k", inputs=["x"]),
        linear(8, 8, name="v", inputs=["x"]),
        {"op": "matmul", "inputs": ["q", "k"], "heads": 2, "k": 4, "n": 6, "transposed": True},
        {"op": "softmax", "groups": 2, "name": "softmax"},
        {
            "op": "matmul",
            "inputs": ["softmax", "v"],
            "heads": 2,
            "k": 6,
            "n": 4,
            "transposed": False,
        },
        linear(8, 8, name="out"),
        {"op": "elementwise", "function": "add", "inputs": ["out", "x"], "name": "add"},
        {"op": "norm", "name": "norm"},
        linear(8, 16, name="up"),
        {"op": "activation", "function": "gelu"},
        linear(16, 8, name="down"),
        {"op": "elementwise", "function": "add", "inputs": ["down", "norm"]},
    ]
    return layers([6, 8], *records, bits=bits)


def cases() -> list[Any]:
    """Every shipped chip with every small model that it has the units for, on one chip and two."""
    found = []
    for path in SHIPPED:
        arch = load_arch(path)
        models = ["cnn", "transformer"] if arch.chip.tile.find(VectorUnit) else ["cnn"]
        if path.stem == "teaching":  # too small for anything else
            models = ["teaching"]
        chips = (1, 2) if arch.chip.find(OffchipLink) else (1,)
        found += list(product([path], models, chips, (1, 2)))
    return [pytest.param(*c, id=f"{c[0].stem}-{c[1]}-{c[2]}x{c[3]}") for c in found]


def engines_agree(mapped: Mapped) -> None:
    truth = run_program(mapped.program, "reference")
    assert truth.events == mapped.program.services()
    for fold, merge in product((False, True), repeat=2):
        fast = run_program(mapped.program, Engine(fold_lock_step=fold, merge_beats=merge))
        assert fast.same_as(truth)


@pytest.mark.parametrize(("path", "model", "chips", "batch"), cases())
def test_engines_agree_on_every_chip(path: Path, model: str, chips: int, batch: int) -> None:
    arch = load_arch(path)
    bits = min(8, arch.precision.weight, arch.precision.input)
    if model == "teaching":
        trace = load_trace(ROOT / "workloads" / "teaching.yaml")
    else:
        trace = {"cnn": cnn, "transformer": transformer}[model](bits)
    engines_agree(map_trace(arch, trace, batch=batch, chips=chips))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("model", [cnn, transformer])
def test_engines_agree_across_chips(model: Any, batch: int) -> None:
    """Chips so small that the model spreads over several, with traffic between them."""
    small = small_chip({**MESH, "chip.tile.count": 2, "chip.router.count": 1})
    mapped = map_trace(small, model(8), batch=batch, chips=None)
    assert mapped.chips > 1
    off = [n for n in mapped.program.resource_names if n.startswith("link")]
    assert len(off) == mapped.chips
    engines_agree(mapped)


def test_engines_agree_on_arrays_of_different_width() -> None:
    """Two arrays with an ADC each, 4 and 2 columns in use: alike, but not in lock-step."""
    chip = small_chip({"chip.tile.pe.adc.count": 2})
    engines_agree(map_trace(chip, layers([6, 4], linear(4, 3)), replicate=False))


# --- room -----------------------------------------------------------------------------------

FIVE = layers([4, 4], *[linear(4, 4)] * 5)  # two arrays, one PE each
LINKED = {"chip.link": LINK}


def test_as_many_chips_as_it_takes() -> None:
    """Five PEs on chips of two: three chips, no fewer and no more than asked for."""
    chip = small_chip(LINKED)
    assert simulate(chip, FIVE, chips=None).chips == 3
    assert simulate(chip, FIVE, chips=3).chips == 3
    larger = simulate(chip, FIVE, chips=7)
    assert larger.chips == 7
    assert larger.arrays_total == 7 * 4
    assert simulate(chip, layers([4, 4], linear(4, 4)), chips=None).chips == 1


@pytest.mark.parametrize("chips", [1, 2])
def test_too_large_names_both_numbers(chips: int) -> None:
    with pytest.raises(InputError) as fault:
        simulate(small_chip(LINKED), FIVE, chips=chips)
    text = str(fault.value)
    assert "needs 10 arrays in 5 PEs" in text
    assert f"{4 * chips} arrays in {2 * chips} PEs are present" in text
    assert "--chips auto" in text


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30))
def test_chips_follow_the_arrays(inputs: int, outputs: int) -> None:
    """Row tiles x column tiles, two arrays to a PE, two PEs to a chip."""
    vector_unit = {**MESH["chip.tile.vector_unit"]}  # type: ignore[dict-item]
    chip = small_chip({**LINKED, "chip.tile.vector_unit": vector_unit})
    mapped = map_trace(chip, layers([2, inputs], linear(inputs, outputs)), chips=None)
    arrays = ceil(inputs / 4) * ceil(outputs / 2)
    assert mapped.chips == ceil(ceil(arrays / 2) / 2)
    assert len(mapped.operations[1].arrays) in (arrays, 2 * arrays)  # there may be room for two


def test_an_input_that_no_tile_can_hold() -> None:
    """More chips would not help, and the message says what would."""
    chip = small_chip({**LINKED, "chip.tile.buffer.capacity": "2 B"})
    reverse = {"op": "move", "function": "transpose", "shape": [40, 4]}
    with pytest.raises(InputError, match="of buffer in a tile"):
        simulate(chip, layers([40, 4], reverse), chips=None)


def test_one_more_chip_for_buffer_space() -> None:
    """No PE is needed, but 40 positions of a byte fill more than half of a tile's 64 bytes."""
    reverse = {"op": "move", "function": "transpose", "shape": [40, 4]}
    trace = layers([40, 4], reverse)
    assert simulate(small_chip(LINKED), trace, chips=None).chips == 2
    with pytest.raises(InputError, match="needs 2 tiles"):
        simulate(small_chip(LINKED), trace, chips=1)


@pytest.mark.parametrize("options", [{"batch": 0}, {"chips": 0}, {"chips": -1}])
def test_counts_below_one_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="1 or more"):
        simulate(small_chip(), FIVE, **options)  # type: ignore[arg-type]


def test_what_a_chip_lacks_is_named() -> None:
    with pytest.raises(InputError) as fault:
        map_trace(small_chip(), layers([4, 4], {"op": "softmax", "name": "soft"}))
    assert "soft (" in str(fault.value) and "vector_unit" in str(fault.value)
    with pytest.raises(InputError, match="at most 2 bits"):
        map_trace(small_chip(), layers([4, 4], linear(4, 4), bits=8))
    wide = small_chip({"precision": {"weight": "8 b", "input": "2 b"}})
    assert wide.chip.tile.pe.find(Crossbar) is not None
    with pytest.raises(InputError, match="takes 8 columns"):
        map_trace(wide, layers([4, 4], linear(4, 4, weight_bits=8)))
