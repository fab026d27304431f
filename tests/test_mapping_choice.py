"""Copies by the slowest step, the fastest unit, a mapping as a file, and the search for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_teaching import MESH, conv, layers, linear, small_chip

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.common_base import common_choice
from archsim.errors import InputError
from archsim.mapping.choice import Choice, Share
from archsim.mapping.copies import Layer, balanced
from archsim.mapping.lower import map_trace
from archsim.mapping.mapping_file import load_mapping, text_of
from archsim.mapping.options import MapOptions
from archsim.mapping.placement import AS_USUAL
from archsim.mapping.units import able, fastest
from archsim.options import RunOptions
from archsim.search.local import search
from archsim.search.objective import judge
from archsim.simulation import simulate

CHIP = small_chip(MESH)
MODEL = layers(
    [6, 6, 3],
    conv(3, 8),
    {"op": "activation", "function": "relu"},
    conv(8, 8, 1),
    {"op": "pool", "function": "max", "kernel": [2, 2], "stride": [2, 2]},
    bits=8,
)


def test_left_over_pes_go_to_the_slowest_layer() -> None:
    """Two layers of 12 and 6 us, a PE per copy, five PEs.

    At 4 us they take 3 + 2 = 5 PEs; with six PEs no layer but the first gets another copy.
    """
    halves = tuple(range(1, 7))
    first = Layer(0, 1, halves, tuple(12 / n for n in halves))
    second = Layer(1, 1, halves, tuple(6 / n for n in halves))
    assert balanced([first, second], 5, 0.0) == ({0: 3, 1: 2}, 4.0)
    assert balanced([first, second], 6, 0.0) == ({0: 4, 1: 2}, 3.0)
    assert balanced([first, second], 7, 0.0)[0] == {0: 5, 1: 2}
    assert balanced([first, second], 99, 4.0) == ({0: 3, 1: 2}, 4.0)  # no faster than asked for


def test_the_fastest_unit_that_can() -> None:
    """Units stand in the order of what eight comparisons take on them."""
    seconds = [unit.compute({"compare": 8}).seconds for _, unit in able(CHIP, {"compare": 8})]
    assert seconds and seconds == sorted(seconds)
    unit = fastest(CHIP, {"compare": 8})
    assert unit is not None and unit[1].compute({"compare": 8}).seconds == min(seconds)
    assert fastest(CHIP, {"no such thing": 1}) is None


def test_a_mapping_written_and_taken_back_is_the_same(tmp_path: Path) -> None:
    mapped = map_trace(CHIP, MODEL)
    path = tmp_path / "mapping.yaml"
    path.write_text(text_of(CHIP, MODEL, mapped.choice, mapped.chips))
    choice, chips = load_mapping(path, CHIP, MODEL)
    again = map_trace(CHIP, MODEL, MapOptions(choice=choice, chips=chips))
    assert again.choice == mapped.choice
    assert simulate(CHIP, MODEL, choice=choice).digest == simulate(CHIP, MODEL).digest


@pytest.mark.parametrize(
    "old, new, fault",
    [
        ("copies: ", "copies: 7", r":\d+ \(layers.l0.copies\): 'l0' cannot have 7\d* copies"),
        ('"l0"', '"l9"', r":\d+ \(layers.l9\): 'l9' is no layer"),
        ("model_sha256: ", "model_sha256: x", r":\d+ \(model_sha256\): this mapping is for the mo"),
        ("architecture_sha256: ", "architecture_sha256: x", r"this mapping is for the chip"),
        ("chips: 1", "chips: 0", r"chips"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path: Path, old: str, new: str, fault: str) -> None:
    mapped = map_trace(CHIP, MODEL)
    text = text_of(CHIP, MODEL, mapped.choice, mapped.chips)
    path = tmp_path / "mapping.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=fault):
        try:
            load_mapping(path, CHIP, MODEL)
        except InputError as error:
            raise InputError(str(error)) from None


def test_more_copies_than_pes(tmp_path: Path) -> None:
    """36 copies of two layers on 54 PEs."""
    mapped = map_trace(CHIP, MODEL)
    many = Choice(shares=dict.fromkeys(("l0", "l2"), Share(copies=36)))
    path = tmp_path / "mapping.yaml"
    path.write_text(text_of(CHIP, MODEL, many, mapped.chips))
    with pytest.raises(InputError, match=r"do not fit: .* PEs are taken, 54 are present"):
        load_mapping(path, CHIP, MODEL)


@pytest.mark.parametrize("objective", ["latency", "energy"])
def test_a_search_is_never_worse_than_the_rules_and_repeats(objective: str) -> None:
    run = RunOptions(effort=1, objective=objective)  # type: ignore[arg-type]
    found = search(CHIP, MODEL, run)
    rules = judge(CHIP, MODEL, run, AS_USUAL)
    best = judge(CHIP, MODEL, run.model_copy(update={"choice": found}), AS_USUAL)
    assert best.of(objective) <= rules.of(objective)
    assert search(CHIP, MODEL, run) == found


def test_a_layer_that_a_method_adds_takes_no_copies_from_the_others() -> None:
    """A linear layer behind a model whose copies would else fill the chip."""
    base = layers([40, 8], linear(8, 16), linear(16, 16), bits=8)
    probe = layers([40, 8], linear(8, 16), linear(16, 16), linear(16, 4), bits=8)
    chip = small_chip(MESH)
    one = Adapted(probe, (), 0, 0, frozenset())
    common = common_choice(chip, base, [one], MapOptions())
    assert common is not None
    alone = {o.layers[0]: o.lanes for o in map_trace(chip, base, choice=common).operations}
    added = {o.layers[0]: o.lanes for o in map_trace(chip, probe, choice=common).operations}
    assert {name: added[name] for name in alone} == alone
