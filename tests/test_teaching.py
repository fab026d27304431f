"""The teaching chip against pencil and paper; and small chips and traces for the other tests.

docs/teaching.md shows the same derivation as tables.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.arch.totals import chip_total, peak_tops
from archsim.components.dac import DAC
from archsim.documents import load_document
from archsim.engine import ENGINES, run_program
from archsim.engine.reference import Reference
from archsim.mapping.lower import Mapped, map_trace
from archsim.result import Result
from archsim.simulation import simulate
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

ROOT = Path(__file__).parent.parent
CHIP = ROOT / "arch_configs" / "teaching.yaml"
WORKLOAD = ROOT / "workloads" / "teaching.yaml"


def small_chip(changes: dict[str, Any] | None = None, base: Path = CHIP) -> Architecture:
    """The teaching chip (or another) with some fields changed; keys are dotted paths."""
    data: dict[str, Any] = copy.deepcopy(load_document(base).data)  # type: ignore[assignment]
    for path, value in (changes or {}).items():
        *levels, last = path.split(".")
        at = data
        for level in levels:
            at = at.setdefault(level, {})
        at[last] = value
    return Architecture.model_validate(data)


def array_size(rows: int, columns: int, arrays: int = 2) -> dict[str, Any]:
    """Changes that give the teaching chip's PEs other arrays, with the converters they need."""
    return {
        "chip.tile.pe.array.size": f"{rows} x {columns}",
        "chip.tile.pe.array.count": arrays,
        "chip.tile.pe.dac.count": arrays * rows,
        "chip.tile.pe.sample_hold.count": arrays * columns,
        "chip.tile.pe.shift_add.count": arrays,
    }


VECTOR_UNIT = {
    "kind": "vector_unit",
    "lanes": 4,
    "clock": "1 GHz",
    "add_energy": "1 pJ",
    "multiply_energy": "2 pJ",
    "divide_energy": "3 pJ",
    "nonlinear_energy": "4 pJ",
}
ROUTER = {
    "kind": "mesh_router",
    "count": 5,
    "tiles": 2,
    "flit": "8 b",
    "packet_flits": 4,
    "clock": "2 GHz",
    "power": "8 mW",
}
LINK = {
    "kind": "offchip_link",
    "links": 2,
    "clock": "1 GHz",
    "rate": "8 Gb/s",
    "power": "1 mW",
    "static_share": 0.5,
}
MESH = {  # nine tiles on five routers: the last row of the mesh is short
    "precision": {"weight": "8 b", "input": "8 b"},
    "chip.router": ROUTER,
    "chip.link": LINK,
    "chip.tile.count": 9,
    "chip.tile.vector_unit": VECTOR_UNIT,
    "chip.tile.buffer.capacity": "16 KB",
    "chip.tile.pe.count": 6,
    "chip.tile.pe.input_register.capacity": "64 B",
    **array_size(8, 16),
}


def layers(shape: list[int], *records: dict[str, Any], bits: int = 2) -> Trace:
    """A trace with one input `x` of a shape; a record without inputs takes its predecessor's."""
    rows: list[dict[str, Any]] = []
    for record in records:
        before = rows[-1]["name"] if rows else "x"
        rows.append({"name": f"l{len(rows)}", "inputs": [before], **record})
    return Trace.model_validate(
        {
            "archsim_trace": 1,
            "name": "test",
            "provenance": {"model": "none", "made_by": "test"},
            "precision": {"weight": bits, "input": bits},
            "inputs": [{"name": "x", "shape": shape}],
            "layers": rows,
        }
    )


def linear(inputs: int, outputs: int, /, **fields: Any) -> dict[str, Any]:
    return {"op": "linear", "in_features": inputs, "out_features": outputs, **fields}


def conv(inputs: int, outputs: int, kernel: int = 3, /, **fields: Any) -> dict[str, Any]:
    """A convolution that keeps the map's size, unless told otherwise."""
    return {
        "op": "conv2d",
        "kernel": [kernel, kernel],
        "padding": [kernel // 2] * 4,
        "in_channels": inputs,
        "out_channels": outputs,
        **fields,
    }


def finishes(mapped: Mapped, layer: str, engine: str = "fast") -> list[int]:
    """Finish ticks of every result of a layer."""
    activity = run_program(mapped.program, engine)
    (info,) = [i for i in mapped.operations if layer in i.layers]
    return [int(t) for t in activity.finish[info.flows[1]]]


@pytest.mark.parametrize("engine", ENGINES)
def test_one_vector_through_one_array(engine: str) -> None:
    """One vector of four elements, one array: every step follows the one before.

     1  the host writes the vector, 4 x 2 bits = one line, into the buffer
     1  the buffer reads the line
     1  the bus, 8 wires, carries it to the PE
     1  the input register takes it
     2  the array reads input bit 0 (and bit 1 in the next 2 ns, while the ADC works)
     4  the ADC converts the 4 columns of bit 0
     4  the ADC converts those of bit 1, which have waited for 2 ns
     4  shift-and-add takes the columns of bit 1 (those of bit 0 meanwhile are done)
     1  the PE's output register takes the 2 results
     1  the bus carries them
     1  the tile's output register takes them
     1  the buffer gives them to the host
    22
    """
    mapped = map_trace(load_arch(CHIP), layers([1, 4], linear(4, 2)))
    assert mapped.tick == pytest.approx(1e-9)
    activity = run_program(mapped.program, engine)
    assert activity.makespan == 1 + 1 + 1 + 1 + 2 + 4 + 4 + 4 + 1 + 1 + 1 + 1 == 22


@pytest.mark.parametrize("engine", ENGINES)
def test_two_arrays_share_the_adc(engine: str) -> None:
    """Four outputs take two arrays, so the ADC has 2 arrays x 2 bits x 4 columns = 16 ns to do.

    Up to the first read 6 ns, ADC 16 ns, the last shift-and-add 4 ns, then register, bus, the
    activation of 4 elements in 2 ns, register, buffer: 6 + 16 + 4 + 1 + 1 + 2 + 1 + 1 = 32.
    """
    one = layers([1, 4], linear(4, 4), {"op": "activation", "function": "relu"})
    mapped = map_trace(load_arch(CHIP), one)
    assert run_program(mapped.program, engine).makespan == 6 + 16 + 4 + 1 + 1 + 2 + 1 + 1 == 32


@pytest.fixture(params=ENGINES)
def run(request: pytest.FixtureRequest) -> Result:
    return simulate(CHIP, WORKLOAD, engine=request.param)


def test_the_whole_run_takes_87_cycles(run: Result) -> None:
    """Layer 1 starts late by 2 ns, because the host writes all three vectors first (0 to 3 ns).

    Vector 0 is fetched from 3 ns on, its first read ends at 8 ns. The ADC then works without a
    pause: 3 vectors x 16 ns, to 56 ns. Vector n leaves layer 1 at 34 + 16 n ns (2 ns later than
    the 32 ns of the test above) and takes 21 ns through layer 2 (the 22 ns of one vector without
    the host's write). The last: 34 + 2 x 16 + 21 = 87.
    """
    assert run.tick_s == pytest.approx(1e-9)
    assert run.ticks == run.cycles == 34 + 2 * 16 + 21 == 87
    assert run.latency_s == pytest.approx(87e-9)
    assert [(la.name, la.start_s, la.finish_s) for la in run.layers] == [
        ("x", 0, pytest.approx(3e-9)),
        ("first", pytest.approx(3e-9), pytest.approx(66e-9)),
        ("relu", pytest.approx(3e-9), pytest.approx(66e-9)),
        ("second", pytest.approx(34e-9), pytest.approx(87e-9)),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_vector_of_the_run(engine: str) -> None:
    mapped = map_trace(load_arch(CHIP), load_trace(WORKLOAD))
    assert finishes(mapped, "x", engine) == [1, 2, 3]
    assert finishes(mapped, "first", engine) == [34, 50, 66]
    assert finishes(mapped, "second", engine) == [55, 71, 87]


def test_energy_by_hand(run: Result) -> None:
    """Actions of the three vectors x energy per action, in pJ; leakage x 87 ns.

    Lines: the host writes 1, layer 1 reads 1 and writes 1, layer 2 reads 1, the host reads 1.
    Reads: layer 1 has 2 arrays of 4 x 4 cells in use, layer 2 one; both 2 input bits.
    """
    reads = 2 * (2 + 1)  # per vector
    by_hand = {
        "chip.tile.buffer": 3 * 5 * 2.0,
        "chip.tile.bus": 3 * 4 * 1.0,
        "chip.tile.relu": 3 * 4 * 0.1,
        "chip.tile.output_register": 3 * 2 * 0.5,
        "chip.tile.pe.array": 3 * reads * 16 * 0.001,
        "chip.tile.pe.dac": 3 * reads * 4 * 0.010,
        "chip.tile.pe.sample_hold": 3 * reads * 4 * 0.002,
        "chip.tile.pe.adc": 3 * reads * 4 * 1.0,
        "chip.tile.pe.shift_add": 3 * reads * 4 * 0.1,
        "chip.tile.pe.input_register": 3 * 2 * 0.5,
        "chip.tile.pe.output_register": 3 * 2 * 0.5,
    }
    dynamic = {path: 1e12 * kinds["dynamic"] for path, kinds in run.energy_parts_j.items()}
    assert dynamic == pytest.approx(by_hand)
    assert sum(dynamic.values()) == pytest.approx(132.552)
    # 0.5 mW of the buffer and 0.25 mW of each of two ADCs: 1 mW for 87 ns
    assert 1e12 * run.energy_static_j == pytest.approx(87.0)
    assert 1e12 * run.energy_total_j == pytest.approx(219.552)
    assert run.power_w == pytest.approx(219.552e-12 / 87e-9)


def test_work_and_peak(run: Result) -> None:
    """3 x (16 + 8) MACs. Peak: 4 arrays x 4 rows x 2 outputs x 2 operations in 2 bits x 8 ns."""
    assert run.macs == 3 * (4 * 4 + 4 * 2) == 72
    assert run.tops == pytest.approx(2 * 72 / 87e-9 * 1e-12)
    assert run.peak_tops == pytest.approx(4 * 4 * 2 * 2 / (2 * 8e-9) * 1e-12)
    assert (run.arrays_used, run.arrays_total) == (3, 4)


def test_area_and_power_by_hand() -> None:
    """mm2 and mW of the tile's own parts, and twice those of a PE."""
    arch = load_arch(CHIP)
    tile = 0.001 + 0.0005 + 2 * 0.00005 + 0.0001
    pe = 2 * 0.00001 + 8 * 0.000001 + 8 * 0.000001 + 0.001 + 2 * 0.00005 + 0.0001 + 0.0001
    assert chip_total(arch).area == pytest.approx(tile + 2 * pe)
    tile_mw = 2.5 + 1 + 2 * 0.1 + 0.5
    pe_mw = 2 * 0.008 + 8 * 0.005 + 8 * 0.001 + 1.25 + 2 * 0.1 + 0.5 + 0.5
    assert 1e3 * chip_total(arch).power == pytest.approx(tile_mw + 2 * pe_mw)
    assert peak_tops(arch) == pytest.approx(0.004)


DOCUMENT = ROOT / "docs" / "teaching.md"
RESOURCES = {  # words of the tables: component and, within a PE, its number
    "buffer": ("buffer",),
    "bus": ("bus",),
    "input register": ("input_register",),
    "A0 and A1": ("array0", "array1"),
    "A0": ("array0",),
    "ADC": ("adc0",),
    "shift-and-add 0": ("shift_add0",),
    "shift-and-add 1": ("shift_add1",),
    "PE output register": ("output_register",),
    "tile output register": ("output_register",),
    "ReLU units": ("relu",),
}


class Recorder(Reference):
    """The reference engine, writing down every service it gives."""

    def serve(self, flow: int, n: int, stage: int) -> Any:
        name, *key = self.program.resource_names[self.program.stage_resource[stage]].split("[")
        number = key[2].rstrip("]") if len(key) == 3 else ""
        start = int(self.env.now)
        yield from super().serve(flow, n, stage)
        self.served.append((name + number, n, start, int(self.env.now)))

    served: list[tuple[str, int, int, int]]


def test_document_shows_every_beat() -> None:
    """The tables of docs/teaching.md hold each service of the run, with its start and end."""
    recorder = Recorder(map_trace(load_arch(CHIP), load_trace(WORKLOAD)).program)
    recorder.served = []
    recorder.run()
    shown = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("*", "") for cell in line.strip("|").split("|")]
        if len(cells) == 5 and re.fullmatch(r"\d+-\d+", cells[2]):
            for vector, span in enumerate(cells[2:]):
                start, end = (int(t) for t in span.split("-"))
                shown += [(name, vector, start, end) for name in RESOURCES[cells[1]]]
    assert sorted(shown) == sorted(recorder.served)


def test_document_quotes_the_totals(run: Result) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for figure in (
        f"= {1e9 * run.latency_s:.0f} ns",
        f"{1e12 * (run.energy_total_j - run.energy_static_j):.3f} pJ dynamic",
        f"{1e12 * run.energy_static_j:.3f} pJ static",
        f"= {1e12 * run.energy_total_j:.3f} pJ",
        f"{run.macs} MACs = {run.ops} operations, {run.tops:.7f} TOPS",
    ):
        assert figure in text


def test_document_things_to_try() -> None:
    workload = load_trace(WORKLOAD)
    for changes, interval in (
        ({"chip.tile.pe.adc.count": 2}, 8),
        ({"chip.tile.pe.array.read_time": "10 ns"}, 20),
    ):
        mapped = map_trace(small_chip(changes), workload)
        assert set(np.diff(finishes(mapped, "first"))) == {interval}
    twice = map_trace(load_arch(CHIP), workload, batch=2)
    assert set(np.diff(finishes(twice, "second"))) == {16}


def test_helpers_change_the_chip() -> None:
    found = small_chip({"chip.tile.pe.dac.pulse": "5 ns"}).chip.tile.pe.find(DAC)
    assert found is not None
    assert found[1].pulse == pytest.approx(5e-9)
