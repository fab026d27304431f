"""Formulas in an architecture's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_cost_models import chip, part

from archsim.arch.model import Architecture
from archsim.arch.sources import sources
from archsim.errors import InputError


def derived(tmp_path: Path, **formulas: Any) -> Architecture:
    named = {name.replace("__", "."): entry for name, entry in formulas.items()}
    return chip(tmp_path, {"array": {"size": "64 x 128"}}, derived=named)


def test_values_follow_from_others(tmp_path: Path) -> None:
    """8 arrays of 64 rows: 512 drivers; 16 b x 512 rows = 1 KB; 2 mW x 1.28 / 1.28 x 3 = 6 mW."""
    arch = derived(
        tmp_path,
        tile__pe__dac__count="rows * tile.pe.array.count",
        rows="tile.pe.array.size[0]",
        tile__pe__input_register__capacity="16 b * tile.pe.dac.count",
        chip__tile__pe__adc__power={"value": "6 mW * tile.pe.adc.rate / 1.28 GS/s", "source": "s"},
    )
    assert part(arch, "dac").count == 512
    assert part(arch, "input_register").capacity == 8192  # type: ignore[attr-defined]
    assert part(arch, "adc").power == pytest.approx(6e-3)
    told = {row.path: row.source for row in sources(arch)}
    assert told["chip.tile.pe.adc.power"] == "s"
    assert told["chip.tile.pe.dac.count"] == "derived: rows * tile.pe.array.count"


@pytest.mark.parametrize(
    "formulas, words",
    [
        ({"a": "b + 1", "b": "a * 2", "tile__pe__dac__count": "a"}, "leads back to itself"),
        ({"tile__pe__dac__count": "tile.pe.dac.count * 2"}, "leads back to itself"),
        ({"tile__pe__dac__count": "tile.pe.dac.cuont"}, "cuont"),
        ({"tile__pe__dak__count": "2"}, "tile.pe.dak.count"),
        ({"tile__pe__dac__count": "import os"}, "not an expression"),
        ({"tile__pe__dac__count": "1 / 0"}, "has no value"),
    ],
)
def test_bad_formulas_are_refused(tmp_path: Path, formulas: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        derived(tmp_path, **formulas)
