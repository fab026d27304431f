"""Statistics of given codes, chips to cost them on, and energies added up cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from test_teaching import VECTOR_UNIT, layers, linear, small_chip

from archsim.arch.model import Architecture
from archsim.components.crossbar import Crossbar
from archsim.costing.energy import cost
from archsim.costing.values import layer_values
from archsim.mapping.lower import map_trace
from archsim.trace.encoding import Encoding, one_density
from archsim.trace.model import Trace
from archsim.trace.stats import TensorStats

Codes = NDArray[np.int64]
PE = "chip.tile.pe"
CELL: dict[str, Any] = {
    "read_voltage": "0.2 V",
    "on_conductance": "100 uS",
    "off_conductance": "10 uS",
}


def stats_of(codes: Any, bits: int = 8, encoding: Encoding = "twos_complement") -> TensorStats:
    """Statistics of a tensor that has these codes of up to 8 bits, at a scale of 1."""
    flat = np.asarray(codes, dtype=np.int64).ravel()
    histogram = np.bincount(flat + 2 ** (bits - 1), minlength=256).tolist()
    return TensorStats(
        bits=bits,
        encoding=encoding,
        scale=1.0,
        minimum=float(flat.min()),
        maximum=float(flat.max()),
        samples=flat.size,
        histogram=histogram,
        zero_share=float((flat == 0).mean()),
        one_density=one_density(histogram, bits, encoding),
    )


def bit_string(code: int, bits: int, encoding: Encoding) -> str:
    """The pattern of a code, most significant bit first, from the encoding's definition."""
    if encoding == "twos_complement":
        return format(code % 2**bits, f"0{bits}b")
    if encoding == "offset":
        return format(code + 2 ** (bits - 1), f"0{bits}b")
    return ("1" if code < 0 else "0") + format(min(abs(code), 2 ** (bits - 1) - 1), f"0{bits - 1}b")


def digits_of(code: int, bits: int, encoding: Encoding, resolution: int) -> list[int]:
    """What a DAC of `resolution` bits gets of a code, least significant digit first."""
    text = bit_string(code, bits, encoding)
    text = text.zfill(-(-bits // resolution) * resolution)
    return [int(text[i : i + resolution], 2) for i in range(0, len(text), resolution)][::-1]


def levels_of(code: int, bits: int, mapping: str, per_cell: int) -> list[int]:
    """Levels of the cells that hold a weight, least significant slice first."""
    parts = [code + 2 ** (bits - 1)] if mapping == "offset" else [max(code, 0), max(-code, 0)]
    slices = -(-bits // per_cell)
    return [part // 2 ** (per_cell * s) % 2**per_cell for part in parts for s in range(slices)]


def read_energy(
    weights: Codes,
    inputs: Codes,
    bits: tuple[int, int],
    encoding: Encoding,
    array: dict[str, Any],
    resolution: int = 1,
) -> float:
    """Joules of all cells of a matrix (rows, columns) for input vectors (vectors, rows).

    array: mapping, per_cell, volt, on, off (siemens) and seconds.
    """
    top = 2 ** array["per_cell"] - 1
    total = 0.0
    for row, codes in enumerate(weights.tolist()):
        levels = [
            x for c in codes for x in levels_of(c, bits[0], array["mapping"], array["per_cell"])
        ]
        siemens = sum(array["off"] + x / top * (array["on"] - array["off"]) for x in levels)
        for code in inputs[:, row].tolist():
            for digit in digits_of(code, bits[1], encoding, resolution):
                volt = array["volt"] * digit / (2**resolution - 1)
                total += volt**2 * siemens * array["seconds"]
    return total


def chip(
    per_cell: int = 1,
    mapping: str = "offset",
    resolution: int = 1,
    rows: int = 16,
    columns: int = 64,
    **changes: Any,
) -> Architecture:
    """The teaching chip with other arrays; changes: fields of the array or the DAC."""
    owner = {"zero_skip": "dac", "pulse_coding": "dac"}
    return small_chip(
        {
            "precision": {"weight": "16 b", "input": "16 b"},
            "chip.tile.buffer.capacity": "16 KB",
            "chip.tile.pe.count": 64,
            "chip.tile.vector_unit": VECTOR_UNIT,
            f"{PE}.input_register.capacity": "1 KB",
            f"{PE}.array.size": f"{rows} x {columns}",
            f"{PE}.array.bits_per_cell": per_cell,
            f"{PE}.array.encoding": mapping,
            f"{PE}.dac.count": 2 * rows,
            f"{PE}.dac.resolution": resolution,
            f"{PE}.sample_hold.count": 2 * columns,
            **{f"{PE}.{owner.get(k, 'array')}.{k}": v for k, v in changes.items()},
        }
    )


def product(
    weights: TensorStats | None,
    inputs: TensorStats | None,
    size: tuple[int, int, int] = (4, 4, 4),
    bits: int = 8,
) -> Trace:
    """One linear layer; size: vectors, rows, columns."""
    vectors, rows, columns = size
    record = linear(rows, columns)
    record |= {k: s for k, s in (("weight_stats", weights), ("input_stats", inputs)) if s}
    return layers([vectors, rows], record, bits=bits)


def costed(arch: Architecture, trace: Trace) -> dict[str, float]:
    """Joules of the actions of each part of the PE, from the Program's counts."""
    mapped = map_trace(arch, trace, replicate=False)
    counts = mapped.program.action_counts()
    energy = cost(arch, mapped.actions, counts, 1.0, 1, layer_values(trace, arch))
    return {
        path.removeprefix(f"{PE}."): joules
        for (path, kind), joules in energy.by_part.items()
        if kind == "dynamic" and path.startswith(PE)
    }


def crossbar(mapping: str = "offset", per_cell: int = 1, **fields: Any) -> Crossbar:
    return Crossbar.model_validate(
        {
            "kind": "crossbar",
            "size": "8 x 8",
            "bits_per_cell": per_cell,
            "encoding": mapping,
            "read_time": "10 ns",
            **fields,
        }
    )
