"""An ADC that cannot hold a column's sum is told, and so is an axis that changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from test_cli_support import Shell, shell
from test_cost_models import chip
from test_teaching import ROOT

from archsim.arch.column_sum import bits_needed, column_sum
from archsim.arch.pe import AnalogRoles, roles
from archsim.arch.warnings import arch_warnings

__all__ = ["shell"]


@pytest.mark.parametrize(
    "size, cell, dac, flip, highest, bits",
    [
        ("128 x 128", 2, 1, False, 384, 9),  # 128 x 3
        ("128 x 128", 2, 1, True, 192, 8),  # half of it, as ISAAC stores columns
        ("4 x 4", 1, 1, False, 4, 3),
        ("128 x 128", 2, 8, False, 97920, 17),  # 128 x 3 x 255
        ("255 x 128", 1, 1, False, 255, 8),
        ("256 x 128", 1, 1, False, 256, 9),
    ],
)
def test_a_columns_sum(
    tmp_path: Path, size: str, cell: int, dac: int, flip: bool, highest: int, bits: int
) -> None:
    rows, columns = map(int, size.split(" x "))
    array = {"size": size, "bits_per_cell": cell, "flip": flip}
    changes = {
        "array": array,
        "dac": {"resolution": dac, "count": 8 * rows},
        "sample_hold": {"count": 8 * columns},
    }
    pe = roles(chip(tmp_path, changes).chip.tile.pe)
    assert isinstance(pe, AnalogRoles)
    assert (column_sum(pe), bits_needed(pe)) == (highest, bits)


@pytest.mark.parametrize("bits, told", [(1, True), (7, True), (8, False), (16, False)])
def test_too_coarse_an_adc_is_told(tmp_path: Path, bits: int, told: bool) -> None:
    warnings = arch_warnings(chip(tmp_path, {"adc": {"resolution": bits}}))
    assert bool(warnings) == told
    assert not told or "192, which takes 8 b" in warnings[0]


def test_validate_show_and_run_tell_it(tmp_path: Path, shell: Shell) -> None:
    chip(tmp_path, {"adc": {"resolution": 2}}, "teaching")
    file, trace = str(tmp_path / "chip.yaml"), str(ROOT / "workloads/teaching.yaml")
    for words in (("validate", file), ("show", file), ("run", file, trace, "--quiet")):
        assert "warning: " in shell(*words).err, words
    assert "warning: " not in shell("validate", ROOT / "arch_configs/teaching.yaml").err


@pytest.mark.parametrize("cost", [None, {"model": "adc_sar"}])
def test_an_idle_axis_is_told(tmp_path: Path, shell: Shell, cost: dict[str, str] | None) -> None:
    adc = {"power": None, "cost": cost} if cost else {}
    chip(tmp_path, {"adc": adc}, "teaching")
    sweep = {
        "archsim_sweep": 1,
        "name": "bits",
        "arch": "chip.yaml",
        "traces": [str(ROOT / "workloads/teaching.yaml")],
        "axes": {"tile.pe.adc.resolution": [3, 4, 8], "tile.pe.adc.rate": ["1 GS/s", "2 GS/s"]},
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    told = shell("validate", tmp_path / "sweep.yaml").err
    assert ("tile.pe.adc.resolution changes no" in told) == (cost is None)
    assert "adc.rate" not in told
