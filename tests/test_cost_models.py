"""Cost models against calculations by hand, and what a file types against what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_teaching import ROOT

from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.arch.pricing import contradictions
from archsim.arch.sources import sources
from archsim.arch.structure import structure_hash
from archsim.components.base import Component
from archsim.components.registry import kinds
from archsim.cost_models.gates import tree_adders
from archsim.cost_models.registry import models
from archsim.cost_models.technology import OutOfRange, Technology
from archsim.errors import InputError

NODES = st.floats(7, 180)


def chip(tmp_path: Path, changes: dict[str, Any], base: str = "isaac", **top: Any) -> Architecture:
    """A shipped chip with parts of its PE changed; None takes a key away."""
    data = {"include": str(ROOT / f"arch_configs/{base}.yaml"), **top}
    data["chip"] = {"tile": {"pe": changes}}
    file = tmp_path / "chip.yaml"
    file.write_text(yaml.safe_dump(data))
    return load_arch(file)


def untyped(model: str, **parameters: Any) -> dict[str, Any]:
    fields = dict.fromkeys(("power", "area", "static_share"))
    return {**fields, "cost": {"model": model, **parameters}}


def part(arch: Architecture, name: str) -> Component:
    return arch.chip.tile.pe.parts[name]


def test_every_model_says_what_it_prices_and_where_it_comes_from() -> None:
    for name, model in models().items():
        assert model.kinds <= set(kinds()), name
        assert model.kinds and model.source, name


def test_the_table_of_nodes_is_that_of_the_paper() -> None:
    """Area factors of the paper: 65 nm to 32 nm 0.31, 180 nm to 7 nm 0.0032. Energy at nominal
    supplies by its polynomials: 45 nm 1.018 - 0.3107 + 0.1539 = 0.8612; 7 nm at 0.7 V
    0.1776 x 0.49 - 0.09097 x 0.7 + 0.02447 = 0.04782, 0.0555 of it."""
    nm = {n: Technology(n * 1e-9) for n in (180, 65, 45, 32, 7)}
    assert nm[32].area_over(nm[65]) == pytest.approx(0.31, rel=0.02)
    assert nm[7].area_over(nm[180]) == pytest.approx(0.0032)
    assert nm[7].energy_over(nm[45]) == pytest.approx(0.04782 / 0.8612, rel=1e-3)


@given(NODES, NODES, NODES)
def test_scaling_there_and_back_changes_nothing(one: float, two: float, three: float) -> None:
    a, b, c = (Technology(n * 1e-9) for n in (one, two, three))
    for law in (Technology.energy_over, Technology.delay_over, Technology.area_over):
        assert law(a, b) * law(b, c) == pytest.approx(law(a, c))
    assert (a.area_over(b) <= 1) == (a.node <= b.node) or one == pytest.approx(two)


def test_supply_goes_as_its_square_and_slows() -> None:
    low, high = Technology(28e-9, 0.6), Technology(28e-9, 0.9)
    assert low.energy_over(high) == pytest.approx(4 / 9)
    # 0.6 / 0.25^1.3 over 0.9 / 0.55^1.3 = (2/3) x 2.2^1.3 = 1.858
    assert low.delay_over(high) == pytest.approx(1.858, rel=1e-3)


@pytest.mark.parametrize("node, supply", [(5, 0.0), (250, 0.0), (28, 0.3), (28, 2.0)])
def test_beyond_the_table_is_an_error(node: float, supply: float) -> None:
    with pytest.raises(OutOfRange, match="outside"):
        Technology(node * 1e-9, supply)


def test_a_tree_of_64_bytes_has_561_adders() -> None:
    """Adder by adder: 32 of 8 bits, 16 of 9, 8 of 10, 4 of 11, 2 of 12, 1 of 13."""
    by_level = sum((32 >> i) * (8 + i) for i in range(6))
    assert tree_adders(64, 8) == by_level == 561


def test_sar(tmp_path: Path) -> None:
    """8 bits at 1 V: 0.8 pJ + 65,536 aJ = 0.865536 pJ; at 1.28 GS/s 1.10789 mW."""
    adc = part(chip(tmp_path, {"adc": untyped("adc_sar", supply="1 V")}), "adc")
    assert adc.energies()["conversion"] == pytest.approx(0.865536e-12)
    assert adc.power == pytest.approx(0.865536e-12 * 1.28e9)
    # 256 fF at 1.7 fF/um2 are 150.6 um2; 140 gates of 0.614 um2 at 28 nm
    assert adc.area > 150.6e-6


def test_survey(tmp_path: Path) -> None:
    """8 bits, 32 nm, 1.28 GS/s: 10^(-1.121 + 1.8528 + 0.419 x 0.10721) = 5.98 pJ, above 5.96."""
    found = {}
    for bits in (4, 8):
        adc = {**untyped("adc_survey"), "resolution": f"{bits} b"}
        found[bits] = part(chip(tmp_path, {"adc": adc}), "adc").energies()["conversion"]
    assert found[8] == pytest.approx(5.98e-12, rel=2e-3)
    assert found[4] == pytest.approx(10 ** (-0.445 + 0.61) * 1e-12)


def test_what_is_typed_wins_piece_by_piece(tmp_path: Path) -> None:
    adc = {"power": "3 mW", "area": None, "cost": {"model": "adc_sar"}}
    arch = chip(tmp_path, {"adc": adc})
    assert part(arch, "adc").power == 3e-3
    origins = {row.path: row.origin for row in sources(arch) if ".adc." in row.path}
    assert origins["chip.tile.pe.adc.power"] == "typed"
    assert origins["chip.tile.pe.adc.area"] == "model"
    assert not contradictions(arch)


def test_a_typed_number_ten_times_off_its_model_is_told(tmp_path: Path) -> None:
    arch = chip(tmp_path, {"adc": {"power": "90 mW", "cost": {"model": "adc_sar"}}})
    (told,) = [text for text in contradictions(arch) if "power" in text]
    assert "adc_sar" in told and "times apart" in told


def test_a_fitted_scale_is_told_from_a_model(tmp_path: Path) -> None:
    plain, fitted = (
        chip(tmp_path, {"adc": untyped("adc_sar", energy_scale=s)}) for s in (1.0, 1.5)
    )
    assert part(fitted, "adc").power == pytest.approx(1.5 * part(plain, "adc").power)
    origins = {row.path: row.origin for row in sources(fitted)}
    assert origins["chip.tile.pe.adc.power"] == "fitted"
    assert origins["chip.tile.pe.adc.area"] == "model"


def test_a_rate_left_to_the_model_shapes_the_program(tmp_path: Path) -> None:
    """Nine loops of a 8-bit converter against five of a 4-bit one; a typed rate stays."""
    left = {**untyped("adc_sar"), "rate": None}
    eight, four = (chip(tmp_path, {"adc": {**left, "resolution": n}}) for n in (8, 4))
    assert part(four, "adc").rate / part(eight, "adc").rate == pytest.approx(9 / 5)  # type: ignore[attr-defined]
    assert structure_hash(four) != structure_hash(eight)
    typed = [chip(tmp_path, {"adc": {**untyped("adc_sar"), "resolution": n}}) for n in (8, 4)]
    assert structure_hash(typed[0]) == structure_hash(typed[1])
    assert part(typed[0], "adc").power > part(typed[1], "adc").power


def test_node_and_supply_reach_every_model(tmp_path: Path) -> None:
    dac = {"dac": untyped("row_driver")}
    base = part(chip(tmp_path, dac, supply="0.8 V"), "dac").power
    assert part(chip(tmp_path, dac, supply="0.6 V"), "dac").power < base
    own = {"dac": untyped("row_driver", node="65 nm")}
    assert part(chip(tmp_path, own), "dac").area > part(chip(tmp_path, dac), "dac").area


def test_a_row_driver(tmp_path: Path) -> None:
    """128 cells of 0.35 fF and 20 gates of 0.7 fF at 0.9 V and 28 nm, every second pulse:
    (44.8 + 14) fF x 0.81 V2 / 2 = 23.814 fJ."""
    dac = {"dac": untyped("row_driver", node="28 nm", supply="0.9 V")}
    assert part(chip(tmp_path, dac), "dac").energies()["pulse"] == pytest.approx(23.814e-15)


def test_macro_from_gates(tmp_path: Path) -> None:
    """64 rows of bytes: 561 adders of 6 x 0.7 fF at 0.9 V, 3.402 fJ; a quarter of them, per
    column: 59.64 fJ. 22 bits of accumulator: 22 x (3.402 + 1.701) fJ = 112.27 fJ."""
    macro = {"tree_energy": None, "accumulate_energy": None, "cost": {"model": "digital_macro"}}
    found = part(chip(tmp_path, {"macro": macro}, "sas_mram_fp8"), "macro").energies()
    assert found["tree"] == pytest.approx(561 * 3.402e-15 / 4 / 8)
    assert found["accumulate"] == pytest.approx(112.27e-15, rel=0.05)


BAD = {
    "kind": ({"adc": untyped("sram")}, "does not price"),
    "range": ({"adc": {**untyped("adc_survey"), "resolution": "16 b"}}, "outside 2 to 13 b"),
    "node": ({"adc": untyped("adc_sar", node="3 nm")}, "outside 7 to 180 nm"),
    "parameter": ({"adc": {**untyped("adc_steps"), "rate": None}}, "'step_time'"),
    "missing": ({"adc": {**untyped("adc_survey"), "rate": None}}, "rate"),
    "name": ({"adc": untyped("adc_survay")}, "adc_survay"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_models_are_refused_with_their_place(tmp_path: Path, name: str) -> None:
    changes, words = BAD[name]
    with pytest.raises(InputError, match=words) as fault:
        chip(tmp_path, changes)
    assert fault.value.where is not None and "adc" in str(fault.value.where)
