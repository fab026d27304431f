"""Digital bit-serial macros against pencil and paper: products, shared planes, energy, writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macro_chips import FP8, SAS, SRAM, macro_chip
from test_teaching import CHIP, layers, linear, small_chip

from archsim.arch.load import load_arch
from archsim.arch.pe import IncompletePE, MacroRoles, roles
from archsim.arch.totals import peak_tops
from archsim.components.bit_serial_macro import BitSerialMacro
from archsim.components.sas_mram_macro import SASMRAMMacro
from archsim.engine import ENGINES, run_program
from archsim.errors import InputError
from archsim.mapping.lower import map_trace
from archsim.mapping.programming import cell_endurance
from archsim.mapping.written import Rewrite
from archsim.simulation import simulate

CONFIGS = Path(__file__).parent.parent / "arch_configs"
MACRO = "chip.tile.pe.macro"
SHARED: dict[str, Any] = {"depth": 2}  # two planes of one macro
APART: dict[str, Any] = {"count": 2}  # two macros


@pytest.mark.parametrize("engine", ENGINES)
def test_one_vector_in_int8(engine: str) -> None:
    """Four 2-bit inputs, two outputs; lines, bus and registers take the vector in 1 ns each.

    host write 1, buffer 1, bus 1, register 1, two bits 2, drain 2, register 1, bus 1, register 1,
    buffer 1.
    """
    mapped = map_trace(macro_chip(), layers([1, 4], linear(4, 2)))
    assert mapped.tick == pytest.approx(1e-9)
    assert run_program(mapped.program, engine).makespan == 4 + 2 + 2 + 4 == 12


@pytest.mark.parametrize("engine", ENGINES)
def test_two_clocks_per_bit(engine: str) -> None:
    mapped = map_trace(macro_chip(cycles_per_bit=2), layers([1, 4], linear(4, 2)))
    assert run_program(mapped.program, engine).makespan == 4 + 2 * 2 + 2 + 4


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("form", "streamed"), [("fp8_e4m3", 1 + 3 + 4), ("fp8_e5m2", 1 + 2 + 4)])
def test_one_vector_in_fp8(engine: str, form: str, streamed: int) -> None:
    """Four 8-bit inputs are 4 lines, two results 2; align 2, the significand's bits, drain 3."""
    arch = macro_chip(bits=8, **{**FP8, "format": form})
    mapped = map_trace(arch, layers([1, 4], linear(4, 2), bits=8))
    assert run_program(mapped.program, engine).makespan == 4 * 4 + 2 + streamed + 3 + 4 * 2


def test_codes_of_fewer_bits_are_streamed_as_they_are() -> None:
    """A one-bit input (1 of N) has no exponent: one beat, nothing aligned."""
    macro = roles(macro_chip(bits=8, **FP8).chip.tile.pe).array
    assert isinstance(macro, BitSerialMacro)
    assert macro.streamed_bits(8) == 8
    assert macro.streamed_bits(1) == 1
    assert not macro.aligned(1)


@pytest.mark.parametrize("engine", ENGINES)
def test_planes_of_a_macro_take_turns(engine: str) -> None:
    """Four outputs are two planes of one macro, or two macros side by side: 2 ns apart."""
    trace = layers([1, 4], linear(4, 4))
    shared, apart = (
        run_program(map_trace(macro_chip(**fields), trace).program, engine).makespan
        for fields in (SHARED, APART)
    )
    assert (shared, apart) == (14, 12)


def test_a_pe_holds_every_plane_and_counts_its_macros() -> None:
    """Twelve planes' worth of weights: 2 PEs x 2 macros x 3 planes, that is 4 macros in use."""
    trace = layers([1, 24], linear(24, 4))  # 6 row tiles x 2 column tiles
    result = simulate(macro_chip(count=2, depth=3), trace)
    assert (result.arrays_used, result.arrays_total) == (4, 4)
    with pytest.raises(InputError, match="needs 12 arrays in 3 PEs, 8 arrays in 2 PEs"):
        simulate(macro_chip(count=2, depth=2), trace, weights="resident")


def test_energy_by_hand_in_int8() -> None:
    """One vector, random codes: 2 bits of 4 x 4 cells, 4 columns and 2 outputs, then sensing."""
    result = simulate(macro_chip(), layers([1, 4], linear(4, 2)))
    by_hand = 2 * (16 * 1 + 4 * 10 + 2 * 100) + 16 * 2
    assert result.energy_parts_j[MACRO]["dynamic"] == pytest.approx(by_hand * 1e-15)


def test_energy_by_hand_in_fp8() -> None:
    """4 x 16 cells, 8 streamed bits; 4 inputs aligned, 2 outputs normalised."""
    result = simulate(macro_chip(bits=8, **FP8), layers([1, 4], linear(4, 2), bits=8))
    by_hand = 8 * (64 * 1 + 16 * 10 + 2 * 100) + 64 * 2 + 4 * 30 + 2 * 40
    assert result.energy_parts_j[MACRO]["dynamic"] == pytest.approx(by_hand * 1e-15)


def test_partial_sums_are_added_as_they_leave() -> None:
    """Eight inputs are two row tiles of the same two outputs: one more accumulate for each."""
    result = simulate(macro_chip(depth=2), layers([1, 8], linear(8, 2)))
    by_hand = 2 * (2 * (16 * 1 + 4 * 10 + 2 * 100) + 16 * 2) + 2 * 100
    assert result.energy_parts_j[MACRO]["dynamic"] == pytest.approx(by_hand * 1e-15)


def test_power_and_area_follow_from_the_fields() -> None:
    """16 outputs of no 8-bit weight: size 8 x 8 gives one; 2 planes of cells, one of logic."""
    macro = SASMRAMMacro.model_validate(
        {
            **SAS,
            "size": "8 x 8",
            "depth": 2,
            "cell_area": "0.1 um2",
            "logic_area": "3 um2",
            "cell_leakage": "1 nW",
            "logic_leakage": "10 nW",
        }
    )
    dynamic = (8 * (64 * 1 + 8 * 10 + 1 * 100) + 64 * 2) * 1e-15 / 8e-9
    assert macro.static_power == pytest.approx(128e-9 + 10e-9)
    assert macro.power == pytest.approx(dynamic + 138e-9)
    assert macro.area == pytest.approx(128 * 0.1e-6 + 3e-6)


@given(
    rows=st.integers(1, 9),
    outputs=st.integers(1, 7),
    vectors=st.integers(1, 4),
    depth=st.integers(1, 3),
    cycles=st.integers(1, 3),
    drain=st.integers(1, 5),
)
@settings(max_examples=25, deadline=None)
def test_engines_agree_and_every_cell_computes_every_bit(
    rows: int, outputs: int, vectors: int, depth: int, cycles: int, drain: int
) -> None:
    trace = layers([vectors, rows], linear(rows, outputs))
    arch = macro_chip(count=6, depth=depth, cycles_per_bit=cycles, drain=drain)
    mapped = map_trace(arch, trace, replicate=False)
    fast, slow = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.digest() == slow.digest()
    counts = mapped.program.action_counts()
    cells = sum(
        count * amount
        for action, count in zip(mapped.actions.actions, counts.tolist(), strict=True)
        for path, name, amount in action.bill
        if (path, name) == (MACRO, "cell")
    )
    assert cells == vectors * 2 * rows * outputs * 2  # input bits x weights x weight bits


# --- writes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("base", "fields", "makespan"),
    [
        (SAS, {}, 2 + 1 + 1 + 4 * 10),  # the longer of the two pulses for each row
        (SAS, {"write_rows": 2}, 2 + 1 + 1 + 2 * 10),
        (SRAM, {}, 2 + 1 + 1 + 4),  # buffer, bus and macro pass a row on every ns
    ],
)
def test_writes_by_hand(
    engine: str, base: dict[str, Any], fields: dict[str, Any], makespan: int
) -> None:
    """16 bits into the buffer in 2 ns; then row by row over the bus, no verify."""
    arch = macro_chip(base, **fields)
    mapped = map_trace(arch, layers([1, 4], linear(4, 2)), batch=0, rewrites=[Rewrite("l0")])
    activity = run_program(mapped.program, engine)
    assert activity.makespan == makespan
    written = mapped.written
    assert (written.rows, written.cells, written.pulses, written.wear) == (4, 16, 16, 1.0)


def test_planes_of_a_macro_are_written_in_turn() -> None:
    trace = layers([1, 4], linear(4, 4))
    shared, apart = (
        run_program(
            map_trace(macro_chip(**fields), trace, batch=0, rewrites=[Rewrite("l0")]).program
        ).makespan
        for fields in (SHARED, APART)
    )
    assert shared == 2 * 2 + 1 + 1 + 8 * 10  # both planes' bits enter the buffer first
    assert 2 * 2 + 1 + 1 + 4 * 10 <= apart < 2 * 2 + 1 + 1 + 5 * 10


def test_energy_of_a_write() -> None:
    from archsim.adaptation.adapted import Adapted
    from archsim.adaptation.evaluate import write

    arch, trace = macro_chip(), layers([1, 4], linear(4, 2))
    adapted = Adapted(trace, (), trained=0, stored_bits=0, trainable=frozenset())
    whole, half = (
        write(arch, adapted, (Rewrite("l0", changed=changed),)) for changed in (1.0, 0.5)
    )
    assert whole.joules - half.joules == pytest.approx(8 * (5 + 2) * 1e-15, rel=1e-6)
    assert cell_endurance(arch) == 1000


# --- the shipped chip ------------------------------------------------------------------------


def test_fp_smr_peak_and_power() -> None:
    """269 GOPS, 17.57 mW and 15.31 TOPS/W of a macro, from its structure (FP-SMR, abstract)."""
    arch = load_arch(CONFIGS / "sas_mram_fp8.yaml")
    pe = roles(arch.chip.tile.pe)
    assert isinstance(pe, MacroRoles)
    macros = arch.chip.tile.count * arch.chip.tile.pe.count
    gops = peak_tops(arch) / macros * 1000
    assert gops == pytest.approx(269, rel=2e-3)
    assert pe.array.power == pytest.approx(17.57e-3, rel=1e-3)
    assert gops / 1000 / pe.array.power == pytest.approx(15.31, rel=2e-3)


def test_a_saturated_run_reaches_them() -> None:
    """All four planes of one macro, 64 inputs and 96 outputs, vector after vector."""
    arch = load_arch(CONFIGS / "sas_mram_fp8.yaml")
    trace = layers([2000, 64], linear(64, 96), bits=8)
    result = simulate(arch, trace, replicate=False)
    assert result.arrays_used == 1
    assert result.tops == pytest.approx(0.2688, rel=0.02)
    macro = arch.parts()[MACRO][0]
    watts = result.energy_parts_j[MACRO]["dynamic"] / result.latency_s + macro.static_power
    assert watts == pytest.approx(17.57e-3, rel=0.02)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*_int8.yaml")), ids=lambda p: p.stem)
def test_variants_differ_in_memory_alone(path: Path) -> None:
    """Same peak; the area differs by what the cells take, and writing by cell."""
    arch, base = load_arch(path), load_arch(CONFIGS / "sas_mram_fp8.yaml")
    assert peak_tops(arch) == pytest.approx(peak_tops(base))
    macro, other = (roles(a.chip.tile.pe).array for a in (arch, base))
    assert isinstance(macro, BitSerialMacro)
    assert isinstance(other, BitSerialMacro)
    cells = macro.rows * macro.columns * macro.depth
    assert macro.area - other.area == pytest.approx(cells * (macro.cell_area - other.cell_area))


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "fp16"}, "fp8_e4m3"),
        ({"power": "1 W"}, "power of a macro follows from the energies"),
        ({"static_share": 0.1}, "static_share of a macro follows from cell_leakage"),
        ({"area": "1 mm2"}, "area of a macro follows from cell_area"),
        ({"sot_pulse": "0 s"}, "sot_pulse and sot_energy are given together"),
        ({"sot_pulse": "0 s", "sot_energy": "0 J", "stt_pulse": "0 s", "stt_energy": "0 J"},
         "without them nothing writes"),
        ({"depth": 0}, "depth"),
    ],
)  # fmt: skip
def test_bad_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        macro_chip(**fields)


def test_more_bits_than_the_chip_runs() -> None:
    with pytest.raises(InputError, match="3-bit weights; Teaching chip runs at most 2 bits"):
        map_trace(macro_chip(), layers([1, 4], linear(4, 2), bits=3))


def test_weights_too_wide_for_a_plane() -> None:
    with pytest.raises(InputError, match="takes 5 columns, an array of Teaching chip has 4"):
        map_trace(macro_chip(bits=8), layers([1, 4], linear(4, 2), bits=5))


def test_a_pe_has_crossbars_or_macros() -> None:
    both = small_chip({"chip.tile.pe.macro": SAS}, base=CHIP)
    with pytest.raises(IncompletePE, match=r"a crossbar \('array'\) and a bit-serial macro"):
        roles(both.chip.tile.pe)
