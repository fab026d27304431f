"""Programming: write-verify loop by loop against pencil and paper, and what goes elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_teaching import layers, linear, small_chip

from archsim.arch.model import Architecture
from archsim.components.write_driver import WriteDriver
from archsim.engine import ENGINES, run_program
from archsim.errors import InputError
from archsim.mapping.lower import map_trace
from archsim.mapping.placement import Placement
from archsim.mapping.written import Rewrite

DRIVER = {
    "kind": "write_driver",
    "technology": "RRAM",
    "pulse": "10 ns",
    "pulse_energy": "3 pJ",
    "pulses": 4,
    "most": 9,
    "endurance": 1000,
}
BRANCH = {
    "kind": "sram_lora_branch",
    "capacity": "4 B",
    "macs": 2,
    "clock": "1 GHz",
    "mac_energy": "1 pJ",
    "write_width": "4 b",
    "write_energy": "1 pJ/b",
}
CLUSTER = {
    "kind": "cluster",
    "cores": 2,
    "macs": 2,
    "call": 10,
    "capacity": "1 KB",
    "dma_width": "8 b",
    "clock": "1 GHz",
    "mac_energy": "1 pJ",
    "dma_energy": "1 pJ/b",
}
MASK = {
    "kind": "column_mask",
    "bits": "1 b",
    "columns": 8,
    "lanes": 2,
    "clock": "1 GHz",
    "apply_energy": "1 pJ",
    "write_width": "2 b",
    "write_energy": "1 pJ/b",
}


def chip(driver: dict[str, Any] | None = None, **parts: Any) -> Architecture:
    return small_chip({"chip.tile.driver": {**DRIVER, **(driver or {})}, **parts})


@pytest.mark.parametrize("engine", ENGINES)
def test_one_array_loop_by_loop(engine: str) -> None:
    """4 rows x 4 pulses = 16 loops of 10 ns pulse + 2 ns read + 4 ns conversion of 4 columns.

    Before them the host writes the array's 4 x 4 one-bit cells, 2 lines of 8 bits, into the buffer.
    """
    mapped = map_trace(chip(), layers([1, 4], linear(4, 2)), batch=0, rewrites=[Rewrite("l0")])
    activity = run_program(mapped.program, engine)
    assert activity.makespan == 2 + 16 * (10 + 2 + 4) == 258
    written = mapped.written
    assert (written.rows, written.cells, written.pulses) == (4, 16, 64)
    assert written.wear == 1  # one cycle, whatever the pulses


def test_without_verify_there_is_no_conversion() -> None:
    mapped = map_trace(
        chip({"verify": False}), layers([1, 4], linear(4, 2)), batch=0, rewrites=[Rewrite("l0")]
    )
    assert run_program(mapped.program).makespan == 2 + 16 * 10


def test_arrays_of_a_tile_follow_one_another_or_go_together() -> None:
    """Two arrays: one driver takes them in turn; two drivers write both, sharing the ADC."""
    trace = layers([1, 4], linear(4, 4))
    turns, together = (
        run_program(
            map_trace(chip({"rows": rows}), trace, batch=0, rewrites=[Rewrite("l0")]).program
        ).makespan
        for rows in (1, 2)
    )
    assert turns == 2 + 2 * 16 * 16
    # each loop of one array hides in that of the other: 12 ns apart from the ADC's 4
    assert 2 + 16 * 16 <= together <= 2 + 2 + 16 * 16 + 4


def test_half_the_cells_change() -> None:
    """A row of 4 cells of which 2 change: 2 columns to verify, half the pulses, half a cycle."""
    mapped = map_trace(
        chip(), layers([1, 4], linear(4, 2)), batch=0, rewrites=[Rewrite("l0", changed=0.5)]
    )
    assert run_program(mapped.program).makespan == 2 + 16 * (10 + 2 + 2)
    assert (mapped.written.cells, mapped.written.pulses, mapped.written.wear) == (8, 32, 0.5)


def test_half_the_pes_are_written() -> None:
    trace = layers([1, 4], linear(4, 8))  # four arrays in two PEs
    whole, half = (
        map_trace(chip(), trace, batch=0, rewrites=[Rewrite("l0", pes=pes)]) for pes in (1.0, 0.5)
    )
    assert whole.written.cells == 2 * half.written.cells == 64


def test_programming_beside_inference_takes_turns_on_the_arrays() -> None:
    """Overlapped, neither is faster than alone, and both are there in one Program."""
    trace, rewrites = layers([6, 4], linear(4, 4)), [Rewrite("l0")]
    alone = map_trace(chip(), trace)
    idle = map_trace(chip(), trace, batch=0, rewrites=rewrites)
    both = map_trace(chip(), trace, rewrites=rewrites)
    fast, reference = (run_program(both.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)
    inference = fast.finish[both.operations[-1].flows[1]].max()
    programming = max(fast.finish[flow].max() for flow in both.written.flows)
    assert inference > run_program(alone.program).makespan
    assert programming >= run_program(idle.program).makespan
    assert fast.busy.sum() == (
        run_program(alone.program).busy.sum() + run_program(idle.program).busy.sum()
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_an_adapter_goes_into_the_branch(engine: str) -> None:
    """8 weights of 2 bits: the host writes 2 lines, the branch stores 4 bits per ns."""
    arch = chip(**{"chip.tile.branch": BRANCH})
    placed = Placement(units={"l0": "branch"})
    mapped = map_trace(
        arch, layers([1, 4], linear(4, 2)), batch=0, placement=placed,
        rewrites=[Rewrite("l0", "unit", bits=16)],
    )  # fmt: skip
    assert run_program(mapped.program, engine).makespan == 2 + 4
    assert mapped.written.bits == 16
    assert mapped.written.cells == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_vector_through_the_branch(engine: str) -> None:
    """Write 1, read 1, bus 1, 8 products on 2 multipliers 4, bus 1, register 1, read 1."""
    arch = chip(**{"chip.tile.branch": BRANCH})
    mapped = map_trace(
        arch, layers([1, 4], linear(4, 2)), placement=Placement(units={"l0": "branch"})
    )
    assert run_program(mapped.program, engine).makespan == 1 + 1 + 1 + 4 + 1 + 1 + 1


@pytest.mark.parametrize("group", [1, 2, 3, 6])
def test_a_cluster_sets_up_once_for_each_group(group: int) -> None:
    """6 tokens of 8 products on 4 per ns, DMA of 6 x 2 bits at 8 per ns: 10 + group x 2 each."""
    arch = chip(**{"chip.tile.cluster": CLUSTER, "chip.tile.buffer.capacity": "1 KB"})
    placed = Placement(units={"l0": "cluster"}, groups={"l0": group})
    mapped = map_trace(arch, layers([6, 4], linear(4, 2)), placement=placed)
    busy = mapped.program.busy_ticks()
    (resource,) = [r for r, p in enumerate(mapped.resource_places) if "cluster" in str(p[0])]
    assert busy[resource] == 6 // group * (10 + group * 2)
    fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)
    assert mapped.operations[-1].macs == 6 * 8


def test_a_mask_is_applied_and_written() -> None:
    """4 columns at 2 per ns lengthen the way of a vector by 2 ns; 4 bits are stored in 2 ns."""
    arch = chip(**{"chip.tile.pe.mask": MASK})
    trace, placed = layers([1, 4], linear(4, 2)), Placement(masked=frozenset({"l0"}))
    plain = run_program(map_trace(arch, trace).program).makespan
    assert run_program(map_trace(arch, trace, placement=placed).program).makespan == plain + 2
    mapped = map_trace(
        arch, trace, batch=0, placement=placed, rewrites=[Rewrite("l0", "mask", bits=4)]
    )
    assert run_program(mapped.program).makespan == 1 + 2
    assert mapped.written.bits == 4


def test_columns_that_are_off_are_not_digitised() -> None:
    arch, trace = chip(), layers([1, 4], linear(4, 2))
    whole, half = (
        map_trace(arch, trace, placement=Placement(kept={"l0": kept})) for kept in (1.0, 0.5)
    )
    busy = [
        sum(
            int(m.program.busy_ticks()[r])
            for r, place in enumerate(m.resource_places)
            if str(place[0]).endswith("adc")
        )
        for m in (whole, half)
    ]
    assert busy == [8, 4]


def test_what_is_missing_is_named() -> None:
    trace, bare = layers([1, 4], linear(4, 2)), small_chip()
    with pytest.raises(InputError, match="no write driver"):
        map_trace(bare, trace, batch=0, rewrites=[Rewrite("l0")])
    with pytest.raises(InputError, match="no column mask"):
        map_trace(bare, trace, placement=Placement(masked=frozenset({"l0"})))
    with pytest.raises(InputError, match="cannot hold and compute"):
        map_trace(bare, trace, placement=Placement(units={"l0": "relu"}))
    with pytest.raises(InputError, match="not in the trace"):
        map_trace(chip(), trace, batch=0, rewrites=[Rewrite("l9")])
    tiny = chip(**{"chip.tile.branch": BRANCH | {"capacity": "1 B"}})
    with pytest.raises(InputError, match=r"l0 needs .* free in the branch"):
        map_trace(tiny, trace, placement=Placement(units={"l0": "branch"}))


# --- the distribution of pulses ---------------------------------------------------------------


def driver(**fields: Any) -> WriteDriver:
    return WriteDriver.model_validate({**DRIVER, **fields})


@given(pulses=st.floats(1, 20), spread=st.floats(0, 10), most=st.integers(1, 40))
def test_shares_of_pulses_are_a_distribution(pulses: float, spread: float, most: int) -> None:
    shares = driver(pulses=pulses, spread=spread, most=most).shares()
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()


@given(rows=st.integers(1, 50), cells=st.integers(1, 200), seed=st.integers(0, 99))
def test_a_row_is_done_with_its_slowest_cell(rows: int, cells: int, seed: int) -> None:
    part = driver(pulses=8, spread=3, most=20)
    loops, pulses = part.draw_rows(rows, cells, np.random.default_rng(seed))
    assert loops.shape == (rows,)
    assert loops.min() >= 1
    assert loops.max() <= 20
    assert rows * cells <= pulses <= rows * cells * 20
    again = part.draw_rows(rows, cells, np.random.default_rng(seed))
    assert (again[0] == loops).all()
    assert again[1] == pulses


def test_rows_agree_with_cells_drawn_one_by_one() -> None:
    """Maximum and sum over cells, against 20,000 rows of 32 cells drawn in full."""
    part = driver(pulses=8, spread=3, most=20)
    shares = part.shares()
    random = np.random.default_rng(1)
    cells = random.choice(np.arange(1, 21), size=(20_000, 32), p=shares)
    loops, pulses = part.draw_rows(20_000, 32, np.random.default_rng(2))
    assert loops.mean() == pytest.approx(cells.max(axis=1).mean(), rel=0.01)
    assert loops.std() == pytest.approx(cells.max(axis=1).std(), rel=0.05)
    assert pulses == pytest.approx(cells.sum(), rel=0.005)
    assert part.mean_pulses() == pytest.approx(cells.mean(), rel=0.005)
    assert math.isclose(part.mean_pulses(), float(shares @ np.arange(1, 21)))
