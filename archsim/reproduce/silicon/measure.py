"""One macro measured: a layer that fills it run on the engine, and its parts added up."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archsim.arch.load import arch_from_document
from archsim.arch.model import Architecture
from archsim.arch.pe import MacroRoles, roles
from archsim.documents import load_document
from archsim.reproduce.assumptions import merged
from archsim.reproduce.silicon.figures import Name
from archsim.trace.model import Trace

VECTORS = 64
"""Input vectors of a run: the pipeline fills within a few."""


def macro_chip(path: Path, supply: str | None, scales: Mapping[str, float]) -> Architecture:
    """A chip's file at another supply and with scales on the cost model of its macro."""
    document = load_document(path)
    change: dict[str, Any] = {} if supply is None else {"supply": supply}
    if scales:
        change["chip"] = {"tile": {"pe": {"macro": {"cost": dict(scales)}}}}
    return arch_from_document(dataclasses.replace(document, data=merged(document.data, change)))


def measured(arch: Architecture, names: tuple[Name, ...]) -> dict[Name, float]:
    """Figures of the macro alone: clock in MHz, TOPS, mm2, TOPS/W (without what surrounds it)."""
    pe = roles(arch.chip.tile.pe)
    whole = arch.chip.tile.pe.parts
    around = (pe.names["input_register"], pe.names["output_register"])
    own = {name: part for name, part in whole.items() if name not in around}
    found: dict[Name, float] = {"area": sum(part.area * part.count for part in own.values())}
    if isinstance(pe, MacroRoles):
        found["clock"] = pe.array.clock / 1e6
    if "throughput" in names or "efficiency" in names:
        tops, joules_per_operation = _run(arch, frozenset(own))
        found["throughput"] = tops
        found["efficiency"] = 1e-12 / joules_per_operation
    return {name: found[name] for name in names}


def _run(arch: Architecture, own: frozenset[str]) -> tuple[float, float]:
    """TOPS of the steady state, between the first and the last vector, and joules per operation."""
    from archsim.options import FIGURES_ALONE
    from archsim.simulation import simulate

    trace = _layer(arch, VECTORS)
    result = simulate(arch, trace, replicate=False, outputs=FIGURES_ALONE)
    shorter = simulate(arch, _layer(arch, VECTORS // 2), replicate=False, outputs=FIGURES_ALONE)
    operations = 2.0 * trace.macs()
    seconds = 2 * (result.latency_s - shorter.latency_s)
    parts = (f"chip.tile.pe.{name}" for name in own)
    dynamic = sum(result.energy_parts_j[path]["dynamic"] for path in parts)
    static = sum(
        part.static_power * part.count
        for name, part in arch.chip.tile.pe.parts.items()
        if name in own
    )
    return 1e-12 * operations / seconds, (dynamic + static * seconds) / operations


def _layer(arch: Architecture, vectors: int) -> Trace:
    """A fully connected layer that fills every plane of every macro."""
    pe = roles(arch.chip.tile.pe)
    outputs = pe.outputs_per_array(arch.precision.weight) * pe.planes
    return _one_layer(pe.array.rows, outputs, vectors, arch.precision.weight, arch.precision.input)


@functools.cache
def _one_layer(rows: int, outputs: int, vectors: int, weight: int, given: int) -> Trace:
    return Trace.model_validate(
        {
            "archsim_trace": 1,
            "name": f"{rows} x {outputs}",
            "provenance": {"model": "one fully connected layer", "made_by": "archsim"},
            "precision": {"weight": weight, "input": given},
            "inputs": [{"name": "x", "shape": [vectors, rows]}],
            "layers": [
                {
                    "op": "linear",
                    "name": "layer",
                    "inputs": ["x"],
                    "in_features": rows,
                    "out_features": outputs,
                }
            ],
        }
    )
