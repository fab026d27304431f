"""Weights that take turns: order of loading and computing, times and traffic by hand, bad input."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_chips import SAS
from test_buffers import graphs
from test_teaching import CHIP, LINK, ROOT, ROUTER, VECTOR_UNIT, layers, linear

from archsim.arch.model import Architecture
from archsim.documents import load_document
from archsim.engine import run_program
from archsim.errors import InputError
from archsim.limits.limit import bounds
from archsim.mapping.lower import map_trace
from archsim.mapping.mapped import Mapped
from archsim.report.run_tables import headline
from archsim.simulation import simulate
from archsim.trace.load import load_trace
from archsim.trace.model import Precision, Trace

DRAM = {"kind": "dram", "width": "1 b", "clock": "1 GHz", "access_energy": "1 pJ/b"}
DRIVER = {
    "kind": "write_driver", "technology": "RRAM", "pulse": "10 ns", "pulse_energy": "1 pJ",
    "pulses": 2, "most": 2, "endurance": 1e6,
}  # fmt: skip


def turn_chip(pes: int = 2, tiles: int = 2, **changes: Any) -> Architecture:
    """Tiles of PEs with one macro of 4 x 4 cells, with DRAM of 1 bit per ns."""
    data: dict[str, Any] = copy.deepcopy(load_document(CHIP).data)
    pe, tile = data["chip"]["tile"]["pe"], data["chip"]["tile"]
    for name in ("array", "dac", "sample_hold", "adc", "shift_add"):
        del pe[name]
    pe["macro"], pe["count"] = {**SAS, **changes.pop("macro", {})}, pes
    tile |= {"vector_unit": VECTOR_UNIT, "count": tiles}
    tile["buffer"]["capacity"] = "64 KB"
    data["chip"] |= {"router": ROUTER, "link": LINK, "dram": {**DRAM, **changes.pop("dram", {})}}
    data["precision"] = {"weight": "8 b", "input": "8 b"}
    return Architecture.model_validate(data)


def chain(count: int, positions: int = 3) -> Trace:
    """Layers of 4 x 4 weights of 2 bits: two arrays of 4 x 4 cells each."""
    return layers([positions, 4], *[linear(4, 4) for _ in range(count)])


# --- by hand -------------------------------------------------------------------------------------


def test_loading_slower_than_computing_sets_the_time() -> None:
    """Two layers, a pass each, on a bank each; DRAM moves a bit in 1 us, all else takes ns.

    Each layer's weights are 32 bits: 64 us of loading without a gap, and the network's some ns. The
    vector between them (8 bits) waits for DRAM's queue, is written in 8 us and read in 8 us. The
    first layer computes while the second one's weights come; the second one's computing, some ns,
    is what is left.
    """
    chip = turn_chip(pes=2, tiles=2, dram={"clock": "1 MHz"})
    trace = chain(2, positions=1)
    run = simulate(chip, trace, weights="turns")
    assert run.turns is not None
    assert (run.turns.passes, run.turns.banks, run.turns.loaded_bits) == (2, 2, 64)
    assert run.turns.dram_bits == 64 + 2 * 8
    alone = simulate(chip, chain(1, positions=1)).latency_s
    assert 80e-6 < run.latency_s < 80e-6 + alone + 60e-9
    assert run.turns.load_s == pytest.approx(64e-6, abs=0.3e-6)


def test_a_single_bank_hides_nothing() -> None:
    """One tile is one bank: a pass is loaded when the one before is done."""
    chip = turn_chip(pes=2, tiles=1)
    run = simulate(chip, chain(3), weights="turns")
    assert run.turns is not None
    assert (run.turns.passes, run.turns.banks) == (3, 1)
    assert run.turns.hidden_s == 0
    assert run.turns.wear == 3  # every cell is written for each of the three layers
    two = simulate(turn_chip(pes=2, tiles=2), chain(3), weights="turns")
    assert two.turns is not None
    assert two.turns.wear == 2
    assert two.turns.hidden_s > 0
    assert two.latency_s < run.latency_s


def test_traffic_and_energy_of_a_batch() -> None:
    """Five layers of 32 bits, and 3 vectors of 8 bits over each of four cuts, out and back."""
    one, four = (simulate(turn_chip(), chain(5), weights="turns", batch=n) for n in (1, 4))
    assert one.turns is not None and four.turns is not None
    assert one.turns.dram_bits == 5 * 32 + 4 * 2 * 3 * 8
    assert four.turns.dram_bits == 5 * 32 / 4 + 4 * 2 * 3 * 8
    assert four.turns.wear == pytest.approx(3 / 4)
    assert four.turns.load_j == pytest.approx(one.turns.load_j / 4)
    cells = 5 * 32 * chip_write_energy()
    assert one.turns.load_j > 5 * 32 * 1e-12 + cells  # DRAM's pJ per bit, the cells, and the way
    shown = dict(headline(one).records)
    assert shown["passes of weights"] == "5, on 2 banks in turn"
    assert shown["writes of a cell"] == "3 per inference"


def chip_write_energy() -> float:
    macro: Any = turn_chip().chip.tile.pe.parts["macro"]
    return float(macro.energies()["write"])


# --- order ---------------------------------------------------------------------------------------


def check_order(mapped: Mapped, engine: str = "fast") -> str:
    """No product before its weights, no loading into a bank that is at work; all of it finishes."""
    activity = run_program(mapped.program, engine)
    turns = mapped.turns
    assert turns is not None
    ends = [
        max(int(activity.finish[i.flows[1]].max()) for i in operations)
        for operations in turns.operations
    ]
    for k, flows in enumerate(turns.loads):
        started = [int(activity.first_start[flow]) for flow in flows]
        if k >= turns.banks and started:
            assert min(started) >= ends[k - turns.banks]
        own = [int(activity.finish[flow].max()) for flow in flows]
        products = [i for i in turns.operations[k] if i.arrays]
        if products:
            assert min(own) <= min(int(activity.first_start[i.flows[0]]) for i in products)
    return activity.digest()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(), st.integers(1, 3), st.sampled_from([(4, 2), (40, 1), (20, 4)]))
def test_no_graph_deadlocks_and_no_bank_is_shared(
    trace: Trace, batch: int, size: tuple[int, int]
) -> None:
    chip = turn_chip(*size, macro={"size": "16 x 32"})
    try:
        mapped = map_trace(chip, trace, weights="turns", batch=batch)
    except InputError as reason:
        assert "a pass has" in str(reason) or "buffer" in str(reason) or "tiles" in str(reason)
        return
    check_order(mapped)


@pytest.mark.parametrize("batch", [1, 3])
def test_both_engines_agree(batch: int) -> None:
    mapped = map_trace(turn_chip(), chain(5), weights="turns", batch=batch)
    assert check_order(mapped) == check_order(mapped, "reference")


@pytest.mark.parametrize("batch", [1, 4])
def test_no_run_in_turns_is_faster_than_its_bound(batch: int) -> None:
    chip, trace = turn_chip(), chain(4, positions=9)
    run = simulate(chip, trace, weights="turns", batch=batch)
    limit = bounds(chip, trace, resident=False)
    assert run.first_latency_s >= limit.latency.seconds > 0
    assert run.latency_s >= batch * limit.interval.seconds > 0


# --- when, and bad input -------------------------------------------------------------------------


def test_turns_where_digital_cells_are_too_few() -> None:
    """Four PEs hold one layer's two arrays twice; three layers do not fit."""
    two, three = (simulate(turn_chip(), chain(n)) for n in (2, 3))
    assert two.turns is None
    assert three.turns is not None
    with pytest.raises(InputError, match="does not fit") as fault:
        simulate(turn_chip(), chain(3), weights="resident")
    assert "--weights turns" in str(fault.value.fix)


def test_crossbars_take_turns_only_when_asked() -> None:
    data: dict[str, Any] = copy.deepcopy(load_document(CHIP).data)
    data["chip"]["tile"] |= {"write_driver": DRIVER, "vector_unit": VECTOR_UNIT}
    data["chip"] |= {"dram": DRAM}
    chip = Architecture.model_validate(data)
    with pytest.raises(InputError, match="does not fit") as fault:
        simulate(chip, chain(5))
    assert "--weights turns" in str(fault.value.fix)
    run = simulate(chip, chain(5), weights="turns", batch=2)
    assert run.turns is not None
    assert run.turns.passes == 3  # two layers of an array pair fit the four arrays
    # the last layer has the arrays for itself: two copies, which load in 64 ns and compute in 48
    assert run.turns.wear == 3 / 2
    assert run.turns.loaded_bits == 6 * 32


@pytest.mark.parametrize(
    ("trace", "options", "message"),
    [
        (layers([3, 4], linear(4, 30)), {}, "layer 'l0' takes 15 PEs, a pass has 4"),
        (chain(3), {"chips": 2}, "on a single chip"),
    ],
)
def test_bad_input(trace: Trace, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(turn_chip(), trace, weights="turns", **options)


def test_generated_tokens_would_need_all_passes_each() -> None:
    trace = load_trace(ROOT / "workloads" / "llama_3.2_1b.yaml")
    chip = turn_chip(pes=16)
    with pytest.raises(InputError, match="generates tokens") as fault:
        map_trace(chip, trace, weights="turns")
    assert "decode step" in str(fault.value.fix)


# --- shipped -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_resnet18_on_one_chip_of_mram() -> None:
    trace = load_trace(ROOT / "workloads" / "resnet18.yaml")
    trace = trace.model_copy(update={"precision": Precision(weight=8, input=8)})
    run = simulate(ROOT / "arch_configs" / "sas_mram_int8.yaml", trace)
    assert run.turns is not None
    assert run.turns.loaded_bits >= 8 * trace.parameters()
    assert run.turns.dram_bits > run.turns.loaded_bits
    assert 0 < run.turns.hidden_s < run.turns.load_s < run.latency_s


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 8, 64])
def test_mobilenet_in_turns(batch: int) -> None:
    """Weights come once for the batch."""
    trace = load_trace(ROOT / "workloads" / "mobilenet_v2.yaml")
    run = simulate(ROOT / "arch_configs" / "sram_int8.yaml", trace, weights="turns", batch=batch)
    assert run.turns is not None
    assert run.turns.wear <= run.turns.passes / batch
