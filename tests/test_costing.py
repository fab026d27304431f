"""Energy: breakdowns add up, actions follow from the mapping's arithmetic, leakage from time."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_mapping import cnn, transformer
from test_teaching import CHIP, MESH, ROOT, WORKLOAD, conv, layers, linear, small_chip
from values_of import stats_of

from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.costing.energy import cost
from archsim.costing.values import layer_values
from archsim.mapping.lower import map_trace
from archsim.result import Result
from archsim.simulation import simulate
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

ISAAC_VPU = ROOT / "arch_configs" / "isaac_vpu.yaml"
PE = "chip.tile.pe"
ROWS, COLUMNS = 8, 16  # of the arrays of MESH, one bit per cell, one bit per DAC pulse
LEAKY = {
    "chip.tile.bus.static_share": 0.3,
    "chip.tile.pe.array.static_share": 0.1,
    "chip.tile.pe.shift_add.static_share": 0.25,
    "chip.router.static_share": 0.5,
}


def runs() -> list[Any]:
    mesh = small_chip({**MESH, **LEAKY})
    found = [
        ("teaching", load_arch(CHIP), load_trace(WORKLOAD)),
        ("mesh-cnn", mesh, cnn(8)),
        ("mesh-transformer", mesh, transformer(8)),
        ("isaac-transformer", load_arch(ISAAC_VPU), transformer(8)),
    ]
    return [pytest.param(arch, trace, id=name) for name, arch, trace in found]


def dynamic(result: Result) -> float:
    """Joules of all actions of the whole batch."""
    return sum(k["dynamic"] for k in result.energy_parts_j.values()) * result.inputs.batch


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("arch", "trace"), runs())
def test_breakdowns_add_up(arch: Architecture, trace: Trace, batch: int) -> None:
    result = simulate(arch, trace, batch=batch, chips=None)
    total = result.energy_j
    assert total > 0
    assert result.energy_total_j == pytest.approx(batch * total)
    assert sum(result.energy_breakdown_j.values()) == pytest.approx(total)
    assert sum(sum(k.values()) for k in result.energy_parts_j.values()) == pytest.approx(total)
    assert sum(la.energy_j for la in result.layers) == pytest.approx(dynamic(result) / batch)
    assert dynamic(result) / batch + result.energy_static_j == pytest.approx(total)
    assert result.energy_parts_j.keys() == arch.parts().keys()
    assert result.energy_frame()["total"].sum() == pytest.approx(total)
    assert [la.name for la in result.layers] == [x.name for x in (*trace.inputs, *trace.layers)]


@pytest.mark.parametrize("chips", [1, 2])
@pytest.mark.parametrize(("arch", "trace"), runs()[1:3])
def test_static_energy_is_static_power_times_time(
    arch: Architecture, trace: Trace, chips: int
) -> None:
    """Every instance of every level leaks for the whole run, used or not."""
    result = simulate(arch, trace, batch=2, chips=chips)
    tile, pe = arch.chip.tile, arch.chip.tile.pe
    watts = 0.0
    for level, units in ((arch.chip, 1), (tile, tile.count), (pe, tile.count * pe.count)):
        for part in level.parts.values():
            watts += units * part.count * part.power * part.static_share
    assert 2 * result.energy_static_j == pytest.approx(chips * watts * result.latency_s)
    assert result.power_w * result.latency_s == pytest.approx(result.energy_total_j)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 4))
def test_dynamic_energy_is_linear_in_the_batch(batch: int, tokens: int, outputs: int) -> None:
    chip = small_chip()
    trace = layers([tokens, 4], linear(4, outputs), {"op": "activation", "function": "relu"})
    one, many = simulate(chip, trace), simulate(chip, trace, batch=batch)
    assert dynamic(many) == pytest.approx(batch * dynamic(one))
    assert many.macs == batch * one.macs
    assert many.energy_static_j * batch == pytest.approx(
        one.energy_static_j * many.latency_s / one.latency_s
    )


@pytest.mark.parametrize("model", [cnn, transformer])
def test_batch_is_linear_on_a_mesh_too(model: Any) -> None:
    """All components but the network: a position's way may differ between inferences."""
    chip = small_chip(MESH)
    one, many = (simulate(chip, model(8), batch=n, chips=None) for n in (1, 4))
    for path, kinds in one.energy_parts_j.items():
        if path not in ("chip.router", "chip.link"):
            assert many.energy_parts_j[path]["dynamic"] == pytest.approx(kinds["dynamic"])


def amounts(arch: Architecture, trace: Trace, batch: int) -> dict[str, float]:
    """Array, DAC, sample-and-hold, ADC and shift-and-add actions of a run."""
    mapped = map_trace(arch, trace, batch=batch, chips=None)
    counts = mapped.program.action_counts()
    energy = cost(arch, mapped.actions, counts, 1.0, mapped.chips, layer_values(trace, arch))
    return {
        action: round(amount, 6)
        for (path, action), amount in energy.amounts.items()
        if path.startswith(PE) and action != "access"
    }


def expected(
    positions: int, rows: int, outputs: int, groups: int, weight_bits: int, input_bits: int
) -> dict[str, float]:
    """The arithmetic on its own: a matrix of rows x outputs for each group.

    One block: every row tile meets every column tile, so a row is driven once for each column
    tile and a column is converted once for each row tile. Small blocks share arrays on the
    diagonal: each row and column once, but the cells of the whole array in use are read.
    """
    fit = COLUMNS // weight_bits  # outputs side by side in an array
    if groups > 1 and rows <= ROWS and outputs <= fit:
        together = min(ROWS // rows, fit // outputs)
        full, rest = divmod(groups, together)
        pulses, columns = groups * rows, groups * outputs * weight_bits
        cells = (full * together**2 + rest**2) * rows * outputs * weight_bits
    else:
        pulses = groups * rows * ceil(outputs / fit)
        columns = groups * outputs * weight_bits * ceil(rows / ROWS)
        cells = groups * rows * outputs * weight_bits
    reads = positions * input_bits
    return {
        "cell_read": reads * cells,
        "pulse": reads * pulses,
        "sample": reads * columns,
        "conversion": reads * columns,
        "add": reads * columns,
    }


BITS = st.integers(1, 8)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 9), BITS, BITS, st.integers(1, 3))
def test_actions_of_a_linear_layer(
    inputs: int, outputs: int, tokens: int, weight_bits: int, input_bits: int, batch: int
) -> None:
    record = linear(inputs, outputs, weight_bits=weight_bits, input_bits=input_bits)
    got = amounts(small_chip(MESH), layers([tokens, inputs], record), batch)
    assert got == expected(batch * tokens, inputs, outputs, 1, weight_bits, input_bits)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 1, 2, 3, 5])),
    st.sampled_from([1, 2, 3]),
    st.tuples(st.integers(3, 6), st.integers(3, 6), st.integers(1, 2)),
    BITS,
    st.integers(1, 2),
)
@example((3, 1, 1), 1, (4, 6, 2), 1, 1)  # nobody reads every other column
def test_actions_of_a_convolution(
    channels: tuple[int, int, int],
    kernel: int,
    geometry: tuple[int, int, int],
    weight_bits: int,
    batch: int,
) -> None:
    """Plain, grouped and depthwise (one channel in and out of each group)."""
    inner, outer, groups = channels
    height, width, stride = geometry
    record = conv(
        inner * groups,
        outer * groups,
        kernel,
        groups=groups,
        stride=[stride, stride],
        padding=[0] * 4,
        weight_bits=weight_bits,
    )
    trace = layers([height, width, inner * groups], record, bits=8)
    positions = batch * ((height - kernel) // stride + 1) * ((width - kernel) // stride + 1)
    rows = kernel * kernel * inner
    assert amounts(small_chip(MESH), trace, batch) == expected(
        positions, rows, outer, groups, weight_bits, 8
    )


@pytest.mark.parametrize("channels", [1, 3, 8, 17])
def test_actions_of_a_depthwise_convolution(channels: int) -> None:
    """3 x 3 on arrays of 8 rows: no block fits, each channel takes two arrays of one output."""
    trace = layers([5, 5, channels], conv(channels, channels, 3, groups=channels), bits=8)
    got = amounts(small_chip(MESH), trace, 1)
    assert got["pulse"] == 25 * 8 * 9 * channels
    assert got["conversion"] == 25 * 8 * 2 * 8 * channels
    assert got["cell_read"] == 25 * 8 * 9 * 8 * channels


def test_differential_cells_cost_twice_the_columns() -> None:
    trace = layers([4, 8], linear(8, 2), bits=8)
    offset = amounts(small_chip(MESH), trace, 1)
    twin = small_chip({**MESH, "chip.tile.pe.array.encoding": "differential"})
    both = amounts(twin, trace, 1)
    assert offset["conversion"] == 4 * 8 * 16
    assert both["conversion"] == 2 * offset["conversion"]
    assert both["cell_read"] == 2 * offset["cell_read"]
    assert both["pulse"] == 2 * offset["pulse"]  # one output to an array now, so two arrays


@pytest.mark.parametrize("chips", [1, 2])
def test_values_change_the_analog_parts_alone(chips: int) -> None:
    """The trained trace against random codes: same times and counts, other DAC and cell energy."""
    arch, trace = load_arch(ISAAC_VPU), load_trace(ROOT / "traces" / "ppocr_v4_cls.trace.json")
    trained, random = (simulate(arch, trace, chips=chips, statistics=on) for on in (True, False))
    assert trained.digest == random.digest
    assert (trained.inputs.statistics, random.inputs.statistics) == (True, False)
    differing = {
        path
        for path, kinds in trained.energy_parts_j.items()
        if kinds["dynamic"] != random.energy_parts_j[path]["dynamic"]
    }
    assert differing == {f"{PE}.array", f"{PE}.dac"}
    assert random.energy_j == random.energy_random_values_j == trained.energy_random_values_j
    assert trained.energy_static_j == random.energy_static_j
    assert "not used" in random.value_statistics
    change = 100 * (dynamic(trained) / dynamic(random) - 1)
    assert f"used for {len(trained.value_factors)} layers" in trained.value_statistics
    assert f"{change:+.1f} %" in trained.value_statistics


def test_factors_in_the_result_are_those_of_the_energy() -> None:
    """Counts of the mapping times energy per action times the factor that the result states."""
    arch, trace = load_arch(ISAAC_VPU), load_trace(ROOT / "traces" / "ppocr_v4_cls.trace.json")
    result = simulate(arch, trace)
    mapped = map_trace(arch, trace)
    counts = mapped.program.action_counts()
    joules: dict[str, float] = dict.fromkeys(result.energy_parts_j, 0.0)
    for action, count in zip(mapped.actions.actions, counts.tolist(), strict=True):
        for path, name, amount in action.bill:
            energy = count * amount * arch.parts()[path][0].energies()[name]
            stated = result.value_factors.get(action.layer)
            joules[path] += energy * (stated.factors.get(f"{path}.{name}", 1.0) if stated else 1.0)
    for path, kinds in result.energy_parts_j.items():
        assert kinds["dynamic"] == pytest.approx(joules[path])


def test_layers_without_statistics_are_named() -> None:
    first, second = linear(4, 4), linear(4, 4)
    first["input_stats"] = stats_of([0, 1], 2)
    result = simulate(small_chip(), layers([3, 4], first, second))
    assert "inputs of l1" in result.value_statistics
    assert "weights of l0, l1" in result.value_statistics
    assert result.value_factors["l0"].inputs and not result.value_factors["l1"].inputs
    digital = layers([3, 4], {"op": "activation", "function": "relu"})
    assert "do not apply" in simulate(small_chip(MESH), digital).value_statistics


def test_replicas_do_not_change_the_work() -> None:
    chip = small_chip(MESH)
    one, many = (simulate(chip, cnn(8), replicate=flag) for flag in (False, True))
    assert max(la.replicas for la in many.layers) > 1
    for part in ("array", "dac", "adc", "shift_add", "sample_hold"):
        path = f"{PE}.{part}"
        assert many.energy_parts_j[path]["dynamic"] == pytest.approx(
            one.energy_parts_j[path]["dynamic"]
        )
