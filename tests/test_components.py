"""Components: time, actions and energy of a piece of work, worked out by hand for each kind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from test_teaching import ROOT, small_chip

from archsim.arch.load import load_arch
from archsim.arch.pe import AnalogRoles, roles
from archsim.components.base import ceil_div
from archsim.components.registry import any_component

ANY: TypeAdapter[Any] = TypeAdapter(any_component())
POWER = {"power": "10 mW", "static_share": 0.2}  # 8 mW of actions
VECTOR = {"add_energy": "1 pJ", "multiply_energy": "2 pJ"}
VECTOR |= {"divide_energy": "3 pJ", "nonlinear_energy": "4 pJ"}

# kind and fields, call, (cycles, ns per cycle, actions, pJ in all)
WORK: list[tuple[dict[str, Any], tuple[str, Any], tuple[int, float, dict[str, float], float]]] = [
    # 8 mW at 2 GS/s is 4 pJ a sample
    (
        {"kind": "adc", "resolution": "8 b", "rate": "2 GS/s"},
        ("convert", 128),
        (128, 0.5, {"conversion": 128}, 512),
    ),
    # 100 bits are 4 lines of 32; two ports share the power
    (
        {"kind": "buffer", "capacity": "1 KB", "width": 32, "clock": "1 GHz", "ports": 2},
        ("access", 100),
        (4, 1, {"line": 4}, 4 * 4),
    ),
    ({"kind": "bus", "wires": 384, "clock": "2 GHz"}, ("transfer", 385), (2, 0.5, {"word": 2}, 8)),
    (
        {"kind": "register", "side": "input", "capacity": "1 KB", "width": 64, "clock": "1 GHz"},
        ("access", 128),
        (2, 1, {"access": 2}, 16),
    ),
    # two ports, each 0.5 GHz: an operand is 8 mW / 1 GHz
    (
        {"kind": "shift_add", "clock": "0.5 GHz", "inputs": 2},
        ("accumulate", 7),
        (7, 2, {"add": 7}, 56),
    ),
    # the ports of three units together: 13 operands over 6 ports
    (
        {"kind": "shift_add", "clock": "0.5 GHz", "inputs": 2, "count": 3},
        ("compute", {"add": 13}),
        (3, 2, {"add": 13}, 13 * 8),
    ),
    (
        {"kind": "activation_unit", "clock": "1 GHz", "count": 4},
        ("compute", {"compare": 9}),
        (3, 1, {"element": 9}, 72),
    ),
    (
        {"kind": "max_pool_unit", "clock": "1 GHz", "count": 2},
        ("compute", {"max": 9}),
        (5, 1, {"comparison": 9}, 72),
    ),
    # 12 + 5 + 3 primitives on 8 lanes; a mac is a multiply and an add
    (
        {"kind": "vector_unit", "lanes": 8, "clock": "1 GHz", **VECTOR},
        ("compute", {"mac": 12, "nonlinear": 5, "divide": 3}),
        (3, 1, {"mac": 12, "nonlinear": 5, "divide": 3}, 12 * 3 + 5 * 4 + 3 * 3),
    ),
    # 6.4 GB/s at 1.6 GHz is 32 bits a word; 8 mW over 4 links at 1.6 GHz is 1.25 pJ
    (
        {"kind": "offchip_link", "links": 4, "clock": "1.6 GHz", "rate": "6.4 GB/s"},
        ("transfer", 65),
        (3, 0.625, {"word": 3}, 3.75),
    ),
    # whole words come from the DRAM: 3 x 128 bits
    (
        {"kind": "dram", "width": 128, "clock": "2 GHz", "access_energy": "4 pJ/b"},
        ("access", 300),
        (3, 0.5, {"bit": 384}, 4 * 384),
    ),
]


@pytest.mark.parametrize(
    ("fields", "call", "answer"), WORK, ids=[f"{f['kind']}-{c[0]}" for f, c, _ in WORK]
)
def test_work_by_hand(
    fields: dict[str, Any],
    call: tuple[str, Any],
    answer: tuple[int, float, dict[str, float], float],
) -> None:
    part = ANY.validate_python({**POWER, **fields})
    work = getattr(part, call[0])(call[1])
    cycles, nanoseconds, actions, picojoules = answer
    assert work.cycles == cycles
    assert work.period == pytest.approx(nanoseconds * 1e-9)
    assert work.seconds == pytest.approx(cycles * nanoseconds * 1e-9)
    assert dict(work.actions) == actions
    energies = part.energies()
    assert sum(n * energies[a] for a, n in work.actions.items()) == pytest.approx(
        picojoules * 1e-12
    )
    assert any(p == pytest.approx(work.period) for p in part.periods())


def test_converters_around_an_array() -> None:
    """Energy of one pulse, sample and cell read: power x time, per row, column and cell."""
    dac = ANY.validate_python({"kind": "dac", "pulse": "5 ns", **POWER})
    hold = ANY.validate_python({"kind": "sample_hold", "sample_time": "4 ns", **POWER})
    array = {"kind": "crossbar", "size": "8 x 16", "bits_per_cell": 2, "read_time": "2 ns"}
    crossbar = ANY.validate_python({**array, **POWER})
    assert dac.energies()["pulse"] == pytest.approx(40e-12)
    assert hold.energies()["sample"] == pytest.approx(32e-12)
    assert crossbar.energies()["cell_read"] == pytest.approx(16e-12 / 128)
    assert (crossbar.rows, crossbar.columns) == (8, 16)
    assert [crossbar.columns_per_weight(w) for w in (1, 2, 3, 8)] == [1, 1, 2, 4]
    twin = ANY.validate_python({**array, "encoding": "differential"})
    assert [twin.columns_per_weight(w) for w in (1, 2, 3, 8)] == [2, 2, 4, 8]


@pytest.mark.parametrize(
    ("bits", "packets", "flits"),
    [(1, 1, 1), (64, 1, 2), (65, 1, 3), (128, 1, 4), (129, 2, 3), (288, 3, 3), (320, 3, 4)],
)
def test_messages_become_packets(bits: int, packets: int, flits: int) -> None:
    """Flits of 32 bits, at most 4 to a packet; a message counts its flits, not the filling."""
    fields = {"kind": "mesh_router", "flit": 32, "packet_flits": 4, "ports": 8, "clock": "1 GHz"}
    router = ANY.validate_python({**fields, **POWER})
    found, work = router.packets(bits)
    assert (found, work.cycles) == (packets, flits)
    assert found * work.actions["flit"] == pytest.approx(ceil_div(bits, 32))
    assert router.energies()["flit"] == pytest.approx(8e-3 / 8 * 1e-9)


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_pieces(amount: int, size: int) -> None:
    pieces = ceil_div(amount, size)
    assert (pieces - 1) * size < amount <= pieces * size


def isaac_pe() -> AnalogRoles:
    pe = roles(load_arch(ROOT / "arch_configs" / "isaac.yaml").chip.tile.pe)
    assert isinstance(pe, AnalogRoles)
    return pe


def test_isaac_beat() -> None:
    """One bit through 128 columns takes the 100 ns of a read in every part (section V)."""
    pe = isaac_pe()
    assert pe.read_seconds() == pytest.approx(100e-9)
    assert pe.beat_seconds(128) == pytest.approx(100e-9)
    assert pe.adc.convert(128).seconds == pytest.approx(100e-9)
    assert pe.outputs_per_array(16) == 16
    assert pe.input_beats(16) == 16


@pytest.mark.parametrize(
    ("changes", "nanoseconds"),
    [
        ({}, 8),  # two arrays on one ADC
        ({"adc.count": 2}, 4),
        ({"array.read_time": "9 ns"}, 9),
        ({"dac.pulse": "10 ns"}, 10),
        ({"sample_hold.sample_time": "11 ns"}, 11),
        ({"adc.rate": "0.5 GS/s"}, 16),
        ({"shift_add.clock": "0.25 GHz"}, 16),
        ({"shift_add.count": 1, "shift_add.clock": "0.4 GHz"}, 20),
        ({"shift_add.count": 1, "shift_add.inputs": 2, "shift_add.clock": "0.4 GHz"}, 10),
    ],
)
def test_a_beat_is_as_long_as_its_slowest_part(changes: dict[str, Any], nanoseconds: int) -> None:
    chip = small_chip({f"chip.tile.pe.{path}": value for path, value in changes.items()})
    pe = roles(chip.chip.tile.pe)
    assert pe.beat_seconds(4) == pytest.approx(nanoseconds * 1e-9)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "bus", "wires": 0, "clock": "1 GHz"},
        {"kind": "bus", "wires": 8, "clock": "0 Hz"},
        {"kind": "bus", "wires": 8, "clock": "1 GHz", "static_share": 1.1},
        {"kind": "bus", "wires": 8, "clock": "1 ns"},
        {"kind": "bus", "wires": 8, "clock": "1 GHz", "wire": 3},
        {"kind": "bus", "wires": 8, "clock": "1 GHz", "count": 0},
        {"kind": "buss", "wires": 8, "clock": "1 GHz"},
    ],
)
def test_impossible_parts_are_refused(fields: dict[str, Any]) -> None:
    ANY.validate_python({"kind": "bus", "wires": 8, "clock": "1 GHz"})
    with pytest.raises(ValidationError):
        ANY.validate_python(fields)
