"""Architectures: published totals, a source for every number, and kinds that plug in."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from test_teaching import ROOT, VECTOR_UNIT, linear, small_chip
from test_teaching import layers as trace_of

import archsim.components
from archsim.arch.load import load_arch
from archsim.arch.pe import roles
from archsim.arch.sources import sources
from archsim.arch.totals import chip_total, pe_total, peak_tops, tile_total
from archsim.components.adc import ADC
from archsim.components.registry import any_component, kinds
from archsim.errors import InputError
from archsim.schema.kinds import classes_by_kind
from archsim.simulation import simulate

CONFIGS = ROOT / "arch_configs"
ISAAC = CONFIGS / "isaac.yaml"
SHIPPED = sorted(CONFIGS.glob("*.yaml"))

# ISAAC (ISCA 2016), Table I: component, how many share one row, mW and mm2 of the row
TABLE_I = [
    ("chip.tile.edram", 1, 20.7, 0.083),
    ("chip.tile.bus", 1, 7, 0.090),
    ("chip.router", 1, 42, 0.151),
    ("chip.tile.sigmoid", 2, 0.52, 0.0006),
    ("chip.tile.shift_add", 1, 0.05, 0.00006),
    ("chip.tile.max_pool", 1, 0.4, 0.00024),
    ("chip.tile.output_register", 1, 1.68, 0.0032),
    ("chip.tile.pe.adc", 8, 16, 0.0096),
    ("chip.tile.pe.dac", 8 * 128, 4, 0.00017),
    ("chip.tile.pe.sample_hold", 8 * 128, 0.01, 0.00004),
    ("chip.tile.pe.array", 8, 2.4, 0.0002),
    ("chip.tile.pe.shift_add", 4, 0.2, 0.00024),
    ("chip.tile.pe.input_register", 1, 1.24, 0.0021),
    ("chip.tile.pe.output_register", 1, 0.23, 0.00077),
    ("chip.hypertransport", 1, 10_400, 22.88),
]


def test_isaac_adds_up_to_the_published_totals() -> None:
    isaac = load_arch(ISAAC)
    assert 1e3 * pe_total(isaac).power == pytest.approx(24.08, rel=0.01)
    assert 1e3 * tile_total(isaac).power == pytest.approx(330, rel=0.01)
    assert tile_total(isaac).area == pytest.approx(0.372, rel=0.01)
    assert chip_total(isaac).power == pytest.approx(65.8, rel=0.01)
    assert chip_total(isaac).area == pytest.approx(85.4, rel=0.01)


def test_isaac_peak() -> None:
    """8 arrays x 128 rows x 16 outputs x 2 operations in 16 x 100 ns, x 12 IMAs x 168 tiles."""
    by_hand = 8 * 128 * 16 * 2 / (16 * 100e-9) * 12 * 168 * 1e-12
    assert by_hand == pytest.approx(41.3, rel=0.01)
    assert peak_tops(load_arch(ISAAC)) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(("path", "count", "power", "area"), TABLE_I)
def test_isaac_row_of_table_i(path: str, count: int, power: float, area: float) -> None:
    """count x instance = row; areas of a millionth of a mm2 to the 3 digits that they have."""
    part, _ = load_arch(ISAAC).parts()[path]
    row = 1 if path == "chip.router" else part.count  # the table gives one router
    assert row == count
    assert 1e3 * part.power * row == pytest.approx(power, rel=1e-6)
    assert part.area * row == pytest.approx(area, rel=2e-3)


def test_table_i_is_the_whole_chip() -> None:
    assert {row[0] for row in TABLE_I} == set(load_arch(ISAAC).parts())


def test_isaac_numbers_of_instances() -> None:
    numbers = {path: number for path, (_, number) in load_arch(ISAAC).parts().items()}
    assert numbers["chip.router"] == 168 / 4
    assert numbers["chip.tile.edram"] == 168
    assert numbers["chip.tile.pe.array"] == 168 * 12 * 8


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_number_has_a_source(path: Path) -> None:
    """A reference of the file, or an assumption that says why."""
    arch = load_arch(path)
    found = sources(arch)
    assert len(found) > 20
    for number in found:
        word, _, why = number.source.partition(":")
        if number.assumed:
            assert word == "assumption" and why.strip(), f"{number.path}: {number.source}"
        else:
            cited = number.source.replace(",", ":").split(":")[0]
            assert cited in arch.references, f"{number.path}: {number.source}"


def test_a_missing_source_shows() -> None:
    """The test above can fail: a part without a source is listed as an assumption."""
    arch = small_chip({"chip.tile.vector_unit": VECTOR_UNIT})
    listed = {s.path: s for s in sources(arch)}
    assert listed["chip.tile.vector_unit.lanes"].source == "assumption"
    assert listed["chip.tile.vector_unit.lanes"].assumed
    assert "chip.tile.vector_unit.power" not in listed  # not stated, so no number


def test_isaac_vpu_is_isaac_and_its_own_parts() -> None:
    isaac, vpu = load_arch(ISAAC), load_arch(CONFIGS / "isaac_vpu.yaml")
    added = set(vpu.parts()) - set(isaac.parts())
    assert added == {"chip.tile.vector_unit", "chip.dram"}
    for path, part in isaac.parts().items():
        assert vpu.parts()[path] == part
    assert isaac.references.items() <= vpu.references.items()
    for field in ("technology", "clock", "precision"):
        assert getattr(vpu, field) == getattr(isaac, field)
    counts = [{p: (level.count, n) for p, (level, n) in a.levels().items()} for a in (isaac, vpu)]
    assert counts[0] == counts[1]


def test_another_adc_in_ten_lines(tmp_path: Path) -> None:
    """Half the ADCs, twice as fast, at three times the power: three lines change three figures."""
    path = tmp_path / "faster_adc.yaml"
    text = f"""\
include: {ISAAC}
name: ISAAC with four fast ADCs
chip:
  tile:
    pe:
      adc:
        count: 4
        rate: 2.56 GS/s
        power: 6 mW
        source: "assumption: an example"
"""
    assert len(text.splitlines()) == 10
    path.write_text(text)
    isaac, changed = load_arch(ISAAC), load_arch(path)
    assert changed.parts().keys() == isaac.parts().keys()
    assert roles(changed.chip.tile.pe).arrays_per_adc == 2
    assert 1e3 * pe_total(changed).power == pytest.approx(1e3 * pe_total(isaac).power - 16 + 24)
    assert peak_tops(changed) == pytest.approx(peak_tops(isaac))
    slow = tmp_path / "slow_adc.yaml"
    slow.write_text(text.replace("2.56", "1.28"))
    assert peak_tops(load_arch(slow)) == pytest.approx(peak_tops(isaac) / 2)


NEW_KIND = '''
"""A unit that adds and compares."""

from typing import Annotated, ClassVar, Literal

from archsim.components.base import Component, Work, ceil_div
from archsim.schema.units import POSITIVE, Frequency


class Comparer(Component):
    """Compares one element per clock."""

    kind: Literal["comparer_for_test"]
    clock: Annotated[Frequency, POSITIVE]
    title: ClassVar[str] = "comparers"
    primitives: ClassVar[frozenset[str]] = frozenset({"compare"})

    def compute(self, primitives):
        return Work(round(primitives["compare"]), 1 / self.clock, {"compare": 1.0})

    def energies(self):
        return {"compare": 7e-12}

    def periods(self):
        return [1 / self.clock]
'''


@pytest.fixture
def new_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "comparer_for_test.py").write_text(NEW_KIND)
    monkeypatch.setattr(
        archsim.components, "__path__", [*archsim.components.__path__, str(tmp_path)]
    )
    importlib.invalidate_caches()
    return tmp_path


def test_a_new_kind_is_one_new_file(new_kind: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(kinds())
    classes_by_kind.cache_clear()
    try:
        assert set(kinds()) - before == {"comparer_for_test"}
        part = TypeAdapter(any_component()).validate_python(
            {"kind": "comparer_for_test", "clock": "2 GHz"}
        )
        assert part.periods() == [0.5e-9]
    finally:
        classes_by_kind.cache_clear()
        sys.modules.pop("archsim.components.comparer_for_test", None)
    monkeypatch.undo()
    assert set(kinds()) == before


def test_a_new_kind_runs(new_kind: Path, tmp_path: Path) -> None:
    """In a fresh interpreter: loaded from YAML, chosen for ReLU, timed and costed."""
    chip = tmp_path / "chip.yaml"
    chip.write_text(f"""\
include: {CONFIGS / "teaching.yaml"}
chip:
  tile:
    relu: null
    comparer: {{kind: comparer_for_test, clock: 0.5 GHz}}
""")
    script = f"""
import archsim.components
archsim.components.__path__.append({str(new_kind)!r})
from archsim.simulation import simulate
result = simulate({str(chip)!r}, {str(ROOT / "workloads" / "teaching.yaml")!r}, engine="reference")
print(result.ticks, round(1e12 * result.energy_parts_j["chip.tile.comparer"]["dynamic"], 6))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    # 4 elements at 2 ns each instead of 2 ns in all: 87 + 6 ns; 3 vectors x 7 pJ
    assert done.stdout.split() == ["93", "21.0"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("chip: {tile: {pe: {adc: null}}}", "needs a component of kind: adc"),
        ("chip: {tile: {pe: {adc: {count: 3}}}}", "must divide the 2 arrays"),
        ("chip: {tile: {pe: {dac: {count: 7}}}}", "count is 7, needs 8"),
        ("chip: {tile: {bus: null}}", "needs a component of kind: bus"),
        ("chip: {tile: {bus: {wires: 0}}}", "wires"),
        ("chip: {tile: {bus: {sources: {wire: x}}}}", "Did you mean 'wires'"),
        ("archsim_arch: 2", "newer archsim"),
    ],
)
def test_faults_are_named(tmp_path: Path, changes: str, words: str) -> None:
    path = tmp_path / "chip.yaml"
    path.write_text(f"include: {CONFIGS / 'teaching.yaml'}\n{changes}\n")
    with pytest.raises(InputError) as fault:
        load_arch(path)
    assert words in str(fault.value)
    assert "chip.yaml" in str(fault.value) or "teaching.yaml" in str(fault.value)


def test_power_is_dynamic_and_static() -> None:
    found = load_arch(ISAAC).chip.tile.pe.find(ADC)
    assert found is not None
    adc = found[1]
    assert adc.static_power == pytest.approx(0.2e-3)
    assert adc.dynamic_power + adc.static_power == pytest.approx(adc.power)
    # at full activity, actions draw the dynamic power: rate x energy of a conversion
    assert adc.energies()["conversion"] * adc.rate == pytest.approx(adc.dynamic_power)


def test_a_part_that_no_trace_uses_changes_only_static_energy() -> None:
    idle = {**VECTOR_UNIT, "power": "1 mW", "static_share": 0.5}
    trace = trace_of([2, 4], linear(4, 4))
    plain = simulate(small_chip(), trace)
    larger = simulate(small_chip({"chip.tile.vector_unit": idle}), trace)
    assert larger.ticks * larger.tick_s == pytest.approx(plain.ticks * plain.tick_s)
    extra = larger.energy_total_j - plain.energy_total_j
    assert extra == pytest.approx(0.5e-3 * plain.latency_s)
